"""The helper's birth: a fork of the agent before it has heard of anybody.

oslo.privsep forks it before anything else starts; it keeps CAP_NET_ADMIN, the process that talks
to the bus keeps no capability. What crosses the channel is plain data.
"""

import ctypes
import mmap
import os
import signal

from oslo_privsep import capabilities, priv_context

from vif_agent.errors import NotConfigured
from vif_agent.helper import guards
from vif_agent.helper.allowed import Allowed, allow
from vif_agent.helper.client import LIMIT_SECONDS, Helper
from vif_agent.helper.known import KNOWN

context = priv_context.PrivContext(
    "vif_agent",
    cfg_section="vif_agent_privileged",
    pypath=f"{__name__}.context",
    capabilities=[capabilities.CAP_NET_ADMIN],
)

helper = Helper(context)

_PERMITTED = 1  # of oslo.privsep's three sets
_SET_DUMPABLE = 4  # prctl(2)


def start(allowed: Allowed, limit: float = LIMIT_SECONDS, hold: bool = True) -> None:
    """Fork the privileged process; this one keeps no capability from then on.

    The fork hook drops them before oslo.privsep starts its reader thread here: capabilities
    belong to threads, and a thread keeps those it was born with. ``limit``: seconds for one call.
    ``hold`` the table of guards, where the kernel has that; False: as where it has not.
    NotConfigured without the capability: oslo.privsep would wait for its daemon for ever.
    """
    if capabilities.CAP_NET_ADMIN not in capabilities.get_caps()[_PERMITTED]:
        raise NotConfigured(
            "the capability CAP_NET_ADMIN is missing: run vif-agent as root or by its systemd "
            "unit, and in a container that has been given it"
        )
    allow(allowed)
    _keep_memory_private()
    number = mmap.mmap(-1, 4)  # shared: privsep does not tell what it has forked
    os.register_at_fork(
        after_in_parent=lambda: capabilities.drop_all_caps_except([], [], []),
        after_in_child=lambda: _begin(number, hold),
    )
    context.start(priv_context.Method.FORK)
    helper.watch(int.from_bytes(number[:4], "little"), limit)


def _keep_memory_private() -> None:
    """Of both processes: others of this account (a plugin's process, a vendor's program) can
    neither trace them nor read what they hold, such as the broker's password. It passes to a fork
    and not to what is executed."""
    ctypes.CDLL(None).prctl(_SET_DUMPABLE, 0, 0, 0, 0)


def _begin(number: mmap.mmap, hold: bool) -> None:
    """In the helper, which ends when the agent has: it reads the end of the channel."""
    number[:4] = os.getpid().to_bytes(4, "little")
    for which in (signal.SIGINT, signal.SIGTERM):
        signal.signal(which, signal.SIG_IGN)
    KNOWN.begin()
    guards.begin(hold)
