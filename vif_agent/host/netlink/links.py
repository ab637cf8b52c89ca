"""Links on the unprivileged side: steps become orders to the helper."""

import errno
from collections.abc import Sequence
from typing import Any

from vif_agent import ownership
from vif_agent.errors import HostRefused, NotYet, Problem
from vif_agent.helper import privileged
from vif_agent.helper.orders import IPV6_MTU, Order
from vif_agent.plan.steps import MAKE, Step
from vif_agent.resources import LINK, Key, Link

#: gone or come under our hands, short of memory, upon a device that is down, or with another one
#: in the way, full or too small: look again and it may be well
_TRANSIENT = {
    errno.EADDRINUSE, errno.EAGAIN, errno.EBUSY, errno.EEXIST, errno.EINTR, errno.EMSGSIZE,
    errno.ENETDOWN, errno.ENOBUFS, errno.ENODEV, errno.ENOENT, errno.ENOMEM, errno.ENXIO,
    errno.EXFULL,
}  # fmt: skip


def create(steps: Sequence[Step]) -> dict[Key, Problem]:
    """Make and change links; what failed, by key."""
    if not steps:
        return {}
    with privileged.helper(len(steps)):
        failures = privileged.create([_order(step) for step in steps])
    return {Key(LINK, name): problem(name, *told) for name, told in failures.items()}


def delete(steps: Sequence[Step]) -> dict[Key, Problem]:
    """Remove links; what stays, by key."""
    keys = {step.found.index: step.key for step in steps if step.found}
    if not keys:
        return {}
    with privileged.helper(len(keys)):
        failures = privileged.delete(list(keys))
    return {keys[index]: problem(keys[index].name, *told) for index, told in failures.items()}


def problem(name: str, code: int, text: str) -> Problem:
    kind = NotYet if code in _TRANSIENT else HostRefused
    return kind(f"{name}: {text} [{errno.errorcode.get(code, code)}]").problem


def _order(step: Step) -> Order:
    """All wanted fields of a new device, only the differing ones of a living one."""
    fields = step.resource.specified()
    if step.verb != MAKE and step.verb != "remake":
        differing = {d.field for d in step.differences}
        fields = {k: v for k, v in fields.items() if k in differing} | _ipv6_stays_off(step)
        if "other_mac" in fields:  # which the move does
            fields["master"] = step.resource.specified()["master"]
    return {
        "verb": step.verb,
        "kind": step.resource.kind,
        "name": step.resource.name,
        "called": step.found.called if step.found else "",
        "index": step.found.index if step.found else 0,
        "alias": "" if step.resource.external else ownership.alias(step.owner),
        "fields": fields,
    }


def _ipv6_stays_off(step: Step) -> dict[str, Any]:
    """Below an MTU of 1280 the kernel forgets that IPv6 is off, and gives it back with the MTU."""
    wanted, there = step.resource, step.found and step.found.resource
    if not (isinstance(wanted, Link) and isinstance(there, Link) and wanted.disable_ipv6):
        return {}
    if (there.mtu or 0) >= IPV6_MTU or (wanted.mtu or 0) < IPV6_MTU:
        return {}
    return {"disable_ipv6": True, "up": bool(wanted.up or there.up)}
