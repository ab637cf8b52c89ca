"""A newer vif-agentctl asks the agents of hosts that are upgraded later."""

from __future__ import annotations

import argparse
from types import SimpleNamespace
from typing import Any

from vif_agent.cmd.ctl import state
from vif_agent.cmd.ctl.failures import Failed

_PLUGIN = {
    "vif_type": "ovs",
    "plugin": "ovs",
    "package": "vif-agent",
    "contract": "1.0",
    "deprecated": None,
    "error": None,
}


class Older:
    def ask(self, call: str, /, **_: Any) -> Any:
        if call == "list_plugins":
            return [_PLUGIN]
        raise Failed(f"the agent says: method: expected one of list_plugins, got '{call}'")


def test_plugins_are_listed_where_an_agent_knows_of_no_drivers() -> None:
    command: Any = object.__new__(state.PluginList)
    command.app = SimpleNamespace(source=Older())
    _, (row,) = command.take_action(argparse.Namespace(formatter="json"))
    assert {"ovs", "plugin", "vif-agent"} <= {*row}
