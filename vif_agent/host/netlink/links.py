"""Links on the unprivileged side: steps become orders to the helper."""

import dataclasses
import errno
from collections.abc import Mapping, Sequence
from typing import Any

from vif_agent.errors import HostRefused, NotYet, Problem
from vif_agent.helper import calls
from vif_agent.helper.codec import to_plain
from vif_agent.helper.ipv6 import IPV6_MTU
from vif_agent.helper.orders import (
    CREATING,
    ChangeExternal,
    ChangeLink,
    DeleteLink,
    LinkOrder,
    MoveNic,
)
from vif_agent.helper.process import helper
from vif_agent.plan.steps import MAKE, REMAKE, Step
from vif_agent.resources import LINK, Key, Link, Nic

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
    with helper(len(steps), "create"):
        failures = calls.create([to_plain(_order(step)) for step in steps])
    return {Key(LINK, name): problem(name, *failure) for name, failure in failures.items()}


def delete(steps: Sequence[Step]) -> dict[Key, Problem]:
    """Remove links; what stays, by key."""
    orders = [DeleteLink(name=s.key.name, index=s.found.index) for s in steps if s.found]
    if not orders:
        return {}
    with helper(len(orders), "delete"):
        failures = calls.delete([to_plain(order) for order in orders])
    return {Key(LINK, name): problem(name, *failure) for name, failure in failures.items()}


def problem(name: str, code: int, text: str) -> Problem:
    """As errors.py has it, from an errno and the kernel's words; transient or not."""
    kind = NotYet if code in _TRANSIENT else HostRefused
    called = str(errno.errorcode.get(code, code))
    helper.refusals.add(called)
    return kind(f"{name}: {text} [{called}]").problem


def _order(step: Step) -> LinkOrder:
    """All wanted fields of a new device, only the differing ones of a living one."""
    index = step.found.index if step.found else 0
    if step.verb in (MAKE, REMAKE):
        kind = CREATING[step.resource.kind]
        fields = _fields_of(kind, step.resource.specified())
        return kind(name=step.resource.name, owner=step.owner, replaces=index, **fields)
    fields = _changes(step)
    if isinstance(step.resource, Nic):
        bridge = fields.pop("master", fields.get("addressed"))
        fields = _fields_of(MoveNic, {**fields, "bridge": bridge})
        return MoveNic(name=step.resource.name, index=index, port=step.owner, **fields)
    if step.resource.external:
        fields = _fields_of(ChangeExternal, fields)
        return ChangeExternal(name=step.resource.name, index=index, port=step.owner, **fields)
    return ChangeLink(
        name=step.resource.name,
        owner=step.owner,
        index=index,
        called=step.found.called if step.found else "",
        **_fields_of(ChangeLink, fields),
    )


def _changes(step: Step) -> dict[str, Any]:
    differing = {d.field for d in step.differences}
    wanted = step.resource.specified()
    fields = {k: v for k, v in wanted.items() if k in differing} | _ipv6_stays_off(step)
    if "other_mac" in fields:  # which the move does
        fields["master"] = wanted["master"]
    return fields


def _fields_of(kind: type[LinkOrder], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Without those that are no field of this order, for they only tell."""
    known = {field.name for field in dataclasses.fields(kind)}
    return {k: v for k, v in fields.items() if k in known}


def _ipv6_stays_off(step: Step) -> dict[str, Any]:
    """Below an MTU of 1280 the kernel forgets that IPv6 is off, and gives it back with the MTU."""
    wanted, there = step.resource, step.found and step.found.resource
    if not (isinstance(wanted, Link) and isinstance(there, Link) and wanted.disable_ipv6):
        return {}
    if (there.mtu or 0) >= IPV6_MTU or (wanted.mtu or 0) < IPV6_MTU:
        return {}
    return {"disable_ipv6": True, "up": bool(wanted.up or there.up)}
