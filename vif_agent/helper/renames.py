"""What others have renamed gets its name back, whoever holds it open."""

import errno
from collections.abc import Sequence

from vif_agent.helper.orders import Failures, Order, raise_link
from vif_agent.helper.policy import checked
from vif_agent.host.netlink import iflink
from vif_agent.host.netlink.rtnetlink import SET, LinkRequest, Socket, text


def rename(netlink: Socket, orders: Sequence[Order], failures: Failures) -> None:
    """Those of the orders whose device is ``called`` otherwise now."""
    for order in orders:
        if order["verb"] != "change" or not order["called"]:
            continue
        index, name = order["index"], checked(order["name"])
        named = LinkRequest(SET, text(iflink.IFNAME, name), index)
        (answer,) = netlink.ask([named])
        if answer.errno == errno.EBUSY:  # Linux before 6.2, for what is up
            lowered = LinkRequest(SET, index=index, change=iflink.UP)
            _, answer, _ = netlink.ask([lowered, named, raise_link(index)])
        if answer.errno:
            failures[name] = (answer.errno, f"rename of {order['called']}: {answer.text}")
