"""A thread of ours that meets a bug ends the agent; systemd starts it anew, safe at any line.

Who would notice otherwise that nobody answers waiters any more, or sees that links change?
"""

import logging
import threading
from collections.abc import Callable

from vif_agent.health import Sign, sign

LOG = logging.getLogger(__name__)

#: those that live as long as the agent; others end with their one job
_LASTING = frozenset((
    "guard-watch", "helper-watch", "link-watch", "neutron-peers", "neutron-report",
    "neutron-status", "notifications", "ovsdb", "signals", "waiters",
))  # fmt: skip
_seen: set[str] = set()


def on_failure(call: Callable[[BaseException], None]) -> None:
    """From now on ``call`` gets the error of such a thread, on that thread."""
    before = threading.excepthook

    def failed(what: threading.ExceptHookArgs) -> None:
        name = what.thread.name if what.thread else ""
        if name not in _LASTING or what.exc_value is None:
            before(what)
            return
        LOG.critical("The thread %s has met a bug", name, exc_info=what.exc_value)
        call(what.exc_value)

    threading.excepthook = failed


def living() -> Sign:
    """Are all there that have ever been? Some begin only when they are needed."""
    there = _LASTING.intersection(thread.name for thread in threading.enumerate())
    _seen.update(there)
    ended = ", ".join(sorted(_seen - there))
    return sign(f"ended: {ended}" if ended else "")
