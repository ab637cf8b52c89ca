"""Which files are generated, and by what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from generate import boards, completion, configuration, manual, sample

ROOT = Path(__file__).parent.parent

#: below the checkout
FILES: Mapping[str, Callable[[], str]] = {
    "etc/vif-agent.conf": sample.text,
    "docs/configuration.md": configuration.text,
    "completion/vif-agentctl": completion.text,
    "etc/grafana/fleet.json": boards.fleet,
    "etc/grafana/host.json": boards.host,
    "etc/grafana/security.json": boards.security,
    "man/vif-agent.8": manual.of_daemon,
    "man/vif-agent-status.8": manual.of_status,
    "man/vif-agentctl.8": manual.of_ctl,
}
