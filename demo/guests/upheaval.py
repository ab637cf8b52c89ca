"""What is done to the agent while the guests ping each other."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import vif_agent
from demo import show
from demo.guests import pings
from demo.guests.guest import Guest
from demo.guests.host import Host
from demo.guests.stage import Stage, wait
from demo.show import Checks

_TREE = Path(__file__).parents[2]
_OTHER = _TREE / ".venv-osvif" / "bin" / "vif-agent"
_AWAY = 3.0  # seconds without an agent


def story(there: Stage, guests: Sequence[Guest], checks: Checks) -> None:
    show.heading("The agent is killed, restarted, upgraded")
    host = there.hosts[0]
    before = host.indexes()
    old = _version(there, host)
    deeds: list[tuple[str, Callable[[], None]]] = [
        ("nothing", lambda: time.sleep(_AWAY)),
        (f"SIGKILL; started again after {_AWAY:.0f} s", lambda: _killed(host)),
        ("SIGKILL of its helper; systemd, that is the demo, starts both", lambda: _helpless(host)),
        ("restarted", lambda: _restarted(host)),
        ("upgraded: another version, in another environment", lambda: _upgraded(host)),
    ]
    rows = [_row(guests, what, deed) for what, deed in deeds]
    show.table(("WHAT IS DONE TO THE AGENT", "SECONDS", "ANSWERED", "LOST"), rows)
    print()
    new = _version(there, host)
    checks.that(f"the agent was {old} and is {new}", old == new)
    counted = pings.go_on(guests, "in the end")
    checks.that(f"{pings.answered(counted)} pings were answered, 0 are lost", pings.lost(counted))
    views = there.agents.list_vifs({}, host.name)
    checks.that(f"all {len(views)} ports are ready",
                [view["port_id"] for view in views if view["state"] != "ready"])  # fmt: skip
    checks.that("every device is the same as before",
                set(before.items()) ^ set(host.indexes().items()))  # fmt: skip


def _row(guests: Sequence[Guest], what: str, deed: Callable[[], None]) -> tuple[str, ...]:
    before = pings.count(guests)
    started = time.monotonic()
    deed()
    seconds = time.monotonic() - started
    after = pings.go_on(guests, f"after: {what}")
    answered = pings.answered(after) - pings.answered(before)
    lost = sum(pings.lost(after).values()) - sum(pings.lost(before).values())
    return what, f"{seconds:.1f}", str(answered), str(lost)


def _killed(host: Host) -> None:
    host.agent.kill()
    time.sleep(_AWAY)
    host.start_agent()


def _helpless(host: Host) -> None:
    os.kill(host.agent.helper_pid(), signal.SIGKILL)
    wait(lambda: not host.agent.alive(), "end of the agent without its helper")
    host.start_agent()


def _restarted(host: Host) -> None:
    host.stop_agent()
    host.start_agent()


def _upgraded(host: Host) -> None:
    """This tree as a later version, run by the Python and with the libraries of the second
    environment."""
    later = host.scratch.directory / "later"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(_TREE / "vif_agent", later / "vif_agent", ignore=ignored)
    init = later / "vif_agent" / "__init__.py"
    version = vif_agent.__version__
    init.write_text(init.read_text().replace(f'"{version}"', f'"{version}+later"'))
    host.stop_agent()
    host.agent = host.another_agent("later-agent", "env", f"PYTHONPATH={later}", str(_OTHER))
    host.start_agent()


def _version(there: Stage, host: Host) -> str:
    return str(there.agents.get_identity({}, host.name)["version"])
