"""A newer vif-agentctl asks the agents of hosts that are upgraded later."""

from __future__ import annotations

import argparse
from types import SimpleNamespace
from typing import Any

import pytest

from vif_agent.cmd.ctl import settling, state
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
    def ask_agent(self, call: str, /, **arguments: Any) -> Any:
        return self.ask(call, **arguments)

    def ask(self, call: str, /, **_: Any) -> Any:
        if call == "list_plugins":
            return [_PLUGIN]
        if call == "get_status":
            return {"round_lasts_s": None, "ports": {}}
        raise Failed(f"the agent says: method: expected one of list_plugins, got '{call}'")


def test_plugins_are_listed_where_an_agent_knows_of_no_drivers() -> None:
    command: Any = object.__new__(state.PluginList)
    command.app = SimpleNamespace(source=Older())
    _, (row,) = command.take_action(argparse.Namespace(formatter="json"))
    assert {"ovs", "plugin", "vif-agent"} <= {*row}


def test_repair_says_that_it_cannot_wait() -> None:
    with pytest.raises(Failed, match="earlier release"):
        settling.repaired(Older(), 1)
