"""Virtual functions are set, each by a message to its card."""

import errno
from collections.abc import Sequence

from vif_agent.helper.allowed import allowed
from vif_agent.helper.known import KNOWN
from vif_agent.helper.looked import Looks
from vif_agent.helper.orders import Failures, SetVf
from vif_agent.helper.policy import Policy
from vif_agent.host.netlink import vf_messages
from vif_agent.host.netlink.rtnetlink import Socket
from vif_agent.resources import NO_MAC


def set_vfs(netlink: Socket, orders: Sequence[SetVf]) -> Failures:
    """Each by itself; the first refusal of one ends that one."""
    failures: Failures = {}
    policy = Policy(allowed(), KNOWN, Looks(netlink, {order.index for order in orders}, ()))
    for order in orders:
        if why := policy.refusal_of_vf(order) or _set(netlink, order):
            failures[order.name] = why
    return failures


def _set(netlink: Socket, order: SetVf) -> tuple[int, str] | None:
    """The first refusal ends it."""
    for field, request in vf_messages.settings(order):
        (answer,) = netlink.ask([request])
        if answer.errno == errno.EINVAL and field == "mac" and order.mac == NO_MAC:
            (answer,) = netlink.ask([vf_messages.other_no_mac(order)])
        if answer.errno:
            return answer.errno, f"{field}: {answer.text}"
    return None
