"""Can the store be opened by this release, and are all its rows to be read?"""

from collections.abc import Iterator
from pathlib import Path

from vif_agent.cmd.status.finding import Finding, failure, good, warning
from vif_agent.cmd.status.stored import Stored
from vif_agent.cmd.status.subject import Subject
from vif_agent.daemon import systemd
from vif_agent.errors import VifAgentError, brief

_NAMED = 5


def findings(subject: Subject) -> Iterator[Finding]:
    """A store that an agent has open is as good as any."""
    try:
        stored = subject.stored
    except VifAgentError as error:
        yield failure(error)
        return
    yield from judged(stored)
    state = Path(subject.conf.state_path)
    if state.exists() and not stored.is_new:
        yield good("an agent runs on it" if systemd.locked(state) else "no agent runs on it")


def judged(stored: Stored) -> Iterator[Finding]:
    """What follows from what was read."""
    if stored.is_new:
        yield good("there is none yet; the agent makes one")
    elif stored.spoilt:
        yield warning(
            f"unreadable rows, whose ports are left alone until they are plugged or unplugged "
            f"anew (cast the full set of ports): {_some(stored)}"
        )
    else:
        yield good(f"{len(stored.live)} ports")


def _some(stored: Stored) -> str:
    lines = [f"{brief(port)}: {why}" for port, why in sorted(stored.spoilt.items())]
    more = f"; and {len(lines) - _NAMED} more" if len(lines) > _NAMED else ""
    return "; ".join(lines[:_NAMED]) + more
