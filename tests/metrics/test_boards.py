"""Grafana's boards ask what Prometheus can answer, and leave nothing out; no Grafana runs here."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.prometheus import BOARDS, promtool
from vif_agent.metrics.exported import EXPORTED

NAMES = ("fleet", "host", "security")
#: what Grafana puts in
VARIABLES = {"$__rate_interval": "1m", "$__range": "6h"}


def board(name: str) -> Any:
    return json.loads((BOARDS / f"{name}.json").read_text())


def expressions(name: str, instance: str = "compute-1:9479") -> list[str]:
    """As Prometheus gets them."""
    asked = [target["expr"] for panel in board(name)["panels"] for target in panel["targets"]]
    for variable, value in VARIABLES.items():
        asked = [expression.replace(variable, value) for expression in asked]
    return [expression.replace("$instance", instance) for expression in asked]


def test_all_that_is_exported_is_on_a_board() -> None:
    text = " ".join(itertools.chain.from_iterable(map(expressions, NAMES)))
    assert {family.name for family in EXPORTED if family.name not in text} == set()


@pytest.mark.parametrize("name", NAMES)
def test_each_question_is_one_to_prometheus(name: str, tmp_path: Path) -> None:
    asked = expressions(name)
    assert not [expression for expression in asked if "$" in expression or "@" in expression]
    rules = [{"record": f"asked:{n}", "expr": each} for n, each in enumerate(asked)]
    file = tmp_path / "rules.yml"  # JSON is YAML
    file.write_text(json.dumps({"groups": [{"name": name, "rules": rules}]}))
    status, said = promtool("check", "rules", str(file))
    assert status == 0, said


@pytest.mark.parametrize("name", NAMES)
def test_panels_lie_beside_each_other(name: str) -> None:
    panels = board(name)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        columns = range(place["x"], place["x"] + place["w"])
        fields = set(itertools.product(columns, range(place["y"], place["y"] + place["h"])))
        assert not taken & fields
        taken |= fields
