"""What a failed test tells besides itself: the log of the agent that it was about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tests.service.machine import Machine
from tests.support.casting import Site
from tests.vm.hypervisor import Hypervisor
from vif_agent.testing.daemon import Daemon

_LINES = 100


def logs(fixtures: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """As a report's sections: of each agent, and each machine, among a test's fixtures the end of
    its log."""
    for name, value in fixtures.items():
        if isinstance(value, Machine | Hypervisor):
            yield f"the end of {name}'s journal", _journal(value)
        daemon = value.daemon if isinstance(value, Site) else value
        if isinstance(daemon, Daemon):
            last = daemon.log().splitlines()[-_LINES:]
            yield f"the end of {name}'s log ({daemon.log_file})", "\n".join(last)


def _journal(machine: Machine | Hypervisor) -> str:
    try:
        if isinstance(machine, Hypervisor):
            return machine.guest.journal()
        return machine.journal(f"--lines={_LINES}")
    except (OSError, RuntimeError) as error:  # it may be that which has failed
        return str(error)
