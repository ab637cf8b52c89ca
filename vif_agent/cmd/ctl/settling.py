"""Waiting until an agent has looked at its whole host, and all its ports are settled."""

import time
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from vif_agent.cmd.ctl import progress
from vif_agent.cmd.ctl.failures import Failed
from vif_agent.ports.port import PENDING, READY, RETRYING, UNPLUGGED

_PAUSE_SECONDS = 0.3


class Agent(Protocol):
    """Whom to ask, as ``Source``."""

    def ask_agent(self, call: str, /, **arguments: Any) -> Any:
        """The agent's answer."""


class Settled(NamedTuple):
    """``words``: how many ports are in which state."""

    well: bool
    words: str


def repaired(source: Agent, seconds: float) -> Settled:
    """Asks for it first. What is not settled by then is said as it is."""
    deadline = time.monotonic() + seconds
    status = _idle(source, deadline)  # a look that runs now has begun before
    if "last_full_look_at" not in status:
        raise Failed("--wait: the agent is of an earlier release, which does not tell of its looks")
    before = status["last_full_look_at"]
    source.ask_agent("repair", port_id=None)
    with progress.shown(lambda: _words(status)):
        while not (looked := status["last_full_look_at"] != before) or _unsettled(status):
            if time.monotonic() > deadline:
                break
            time.sleep(_PAUSE_SECONDS)
            status = source.ask_agent("get_status")
    well = looked and status["ports"].keys() <= {READY, UNPLUGGED}
    return Settled(well, _words(status) + ("" if looked else "; not looked at yet"))


def _idle(source: Agent, deadline: float) -> dict[str, Any]:
    while True:
        status: dict[str, Any] = source.ask_agent("get_status")
        if status["round_lasts_s"] is None or time.monotonic() > deadline:
            return status
        time.sleep(_PAUSE_SECONDS)


def _unsettled(status: Mapping[str, Any]) -> bool:
    return not status["ports"].keys().isdisjoint((PENDING, RETRYING))


def _words(status: Mapping[str, Any]) -> str:
    states = sorted(status["ports"].items())
    return ", ".join(f"{number} {state}" for state, number in states) or "no ports"
