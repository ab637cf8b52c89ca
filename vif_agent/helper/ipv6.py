"""IPv6 stays off on a device whose MTU is raised."""

from collections.abc import Sequence
from pathlib import Path

from vif_agent.helper.orders import ChangeExternal, ChangeLink, LinkOrder
from vif_agent.host.netlink import iflink
from vif_agent.host.netlink.rtnetlink import SET, LinkRequest, Socket

#: the least with which the kernel has IPv6 on a device
IPV6_MTU = 1280

_CONF = Path("/proc/sys/net/ipv6/conf")


def lower(netlink: Socket, orders: Sequence[LinkOrder]) -> None:
    """Take down what has no IPv6 for its small MTU, and is to get a greater one and no address.

    The kernel gives it IPv6 by its defaults with the MTU, and an address if it is up; what says
    that it is off can be written only then. "Up" comes after that anyhow.
    """
    low = [
        LinkRequest(SET, index=order.index, change=iflink.UP)
        for order in orders
        if isinstance(order, ChangeLink | ChangeExternal) and order.disable_ipv6
        if (order.mtu or 0) >= IPV6_MTU and _is_without(order.name)
    ]
    if low:
        netlink.ask(low)


def _is_without(name: str) -> bool:
    return _CONF.exists() and not Path(_CONF, name).exists()
