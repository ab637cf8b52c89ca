"""What the kernel tells by itself; to hear it takes CAP_NET_ADMIN, or is easier with it."""

from typing import Any, NamedTuple

from vif_agent.host.guarding import GuardEvents
from vif_agent.host.netlink.event_socket import Events
from vif_agent.host.nft.events import NftEvents
from vif_agent.host.nft_table import TableEvents


class Heard(NamedTuple):
    """None: it is not heard, or opened later."""

    links: Events | None = None
    guards: GuardEvents | None = None


NOTHING = Heard()


def opened(conf: Any) -> Heard:
    """To be called while we have the capability. Of guards nothing is told by a kernel that has no
    nf_tables; and one that need not have it is not made to load it."""
    if conf.firewall.driver == "noop":
        return Heard(Events())
    try:
        guards = TableEvents(NftEvents())
    except OSError:
        return Heard(Events())
    return Heard(Events(), guards)
