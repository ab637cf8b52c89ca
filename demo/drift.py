"""Somebody deletes a device of a port, and the agent tells what it has done about it."""

from __future__ import annotations

import datetime
import time

from demo import host, show
from demo.bus import Sender, View
from demo.ports import Port
from demo.show import Checks
from vif_agent.cmd.ctl import why
from vif_agent.ports.event import REPAIRED

_PATIENCE = 30.0  # seconds


def repaired(sender: Sender, port: Port, checks: Checks) -> None:
    """``port``: a hybrid one."""
    show.heading("Somebody deletes a device")
    device = port.device("qvb")
    show.output(f"ip link del {device}", host.run("ip", "link", "del", device))
    deadline = time.monotonic() + _PATIENCE
    while not (done := _is_repaired(answer := sender.why(port))) and time.monotonic() < deadline:
        time.sleep(0.1)
    now = datetime.datetime.now(datetime.UTC)
    show.output(f"vif-agentctl why {port.id[:8]}", "\n".join(why.lines(answer, now)))
    print()
    checks.that("the agent has repaired the port, and tells what was wrong", not done)


def _is_repaired(answer: View) -> bool:
    return any(event["what"] == REPAIRED for event in answer["events"])
