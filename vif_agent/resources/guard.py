"""What a guest may say of itself on a linux bridge, or to the host that routes it."""

import dataclasses
from typing import ClassVar

from vif_agent.resources.base import GUARD, Pairs, Resource


@dataclasses.dataclass(frozen=True, kw_only=True)
class Guard(Resource):
    """From the device of its name come only these ``macs``, and from each only the addresses of its
    ``pairs``: (MAC, network), as ("fa:16:3e:00:00:01", "10.0.0.9/32").

    MACs are in lower case, networks as ``ipaddress`` writes them; both are sorted, and the networks
    of one MAC do not overlap. There are no others: the link-local address is a pair, too. It may
    stand before its device, and hold for one that is made anew, for it goes by the name alone.
    ``dhcp_server``: it may serve DHCP and DHCPv6; ``router``: it may send router advertisements.
    ``routed``: its frames are the host's, and not a bridge's; the agent says so, and no driver.
    ``enforced``: the rules that look all this up are there.
    """

    space: ClassVar[str] = GUARD
    kind: ClassVar[str] = "guard"

    macs: tuple[str, ...]
    pairs: Pairs
    dhcp_server: bool = False
    router: bool = False
    routed: bool = False
    enforced: bool = True
