"""What others have renamed gets its name back, whoever holds it open."""

import errno
from collections.abc import Sequence

from vif_agent.helper.messages import raise_link
from vif_agent.helper.orders import ChangeLink, Failures, LinkOrder
from vif_agent.host.netlink import iflink
from vif_agent.host.netlink.rtnetlink import SET, LinkRequest, Socket, text


def rename(netlink: Socket, orders: Sequence[LinkOrder], failures: Failures) -> None:
    """Those of the orders whose device is ``called`` otherwise now."""
    for order in orders:
        if not isinstance(order, ChangeLink) or not order.called:
            continue
        named = LinkRequest(SET, text(iflink.IFNAME, order.name), order.index)
        (answer,) = netlink.ask([named])
        if answer.errno == errno.EBUSY:  # Linux before 6.2, for what is up
            lowered = LinkRequest(SET, index=order.index, change=iflink.UP)
            _, answer, _ = netlink.ask([lowered, named, raise_link(order.index)])
        if answer.errno:
            failures[order.name] = (answer.errno, f"rename of {order.called}: {answer.text}")
