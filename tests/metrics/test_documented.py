"""docs/metrics.md has what is exported, word for word."""

from __future__ import annotations

import re
from pathlib import Path

from vif_agent.metrics.exported import EXPORTED
from vif_agent.metrics.family import COUNTER, GAUGE

ROOT = Path(__file__).parent.parent.parent
#: Prometheus' base units and what is counted, as names end
UNITS = ("_seconds", "_bytes", "_total", "_info")


def table() -> list[str]:
    return [
        f"| `{family.name}` | {family.kind} | {', '.join(family.labels) or '-'} | {family.help} |"
        for family in EXPORTED
    ]


def test_table_is_what_is_exported() -> None:
    text = (ROOT / "docs" / "metrics.md").read_text()
    written = [line for line in text.splitlines() if line.startswith("| `vif_agent_")]
    assert written == table(), "\n".join(table())


def test_names_follow_the_conventions_of_prometheus() -> None:
    assert len({family.name for family in EXPORTED}) == len(EXPORTED)
    for family in EXPORTED:
        assert re.fullmatch(r"vif_agent_[a-z_]+", family.name)
        assert family.name.endswith("_total") == (family.kind == COUNTER)
        assert family.name.endswith(("_seconds", "_ports", "_bytes")) or family.kind in (
            COUNTER, GAUGE,
        )  # fmt: skip
        assert family.help[-1] == "."
        assert not set(family.labels) & {"port", "port_id", "device", "instance", "job"}
