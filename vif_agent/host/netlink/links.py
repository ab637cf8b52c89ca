"""Links on the unprivileged side: what was read becomes resources, steps become orders."""

import errno
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from vif_agent import ownership
from vif_agent.errors import HostRefused, NotYet, Problem
from vif_agent.helper import privileged
from vif_agent.helper.orders import IPV6_MTU, Order
from vif_agent.host.netlink import iflink
from vif_agent.host.netlink.decode import Raw
from vif_agent.ownership import Found
from vif_agent.plan.steps import MAKE, Step
from vif_agent.resources import LINK, Bridge, Key, Link, OtherLink, Tap, Veth, Vlan, Vxlan

#: gone or come under our hands, short of memory, upon a device that is down, or with another one
#: in the way, full or too small: look again and it may be well
_TRANSIENT = {
    errno.EADDRINUSE, errno.EAGAIN, errno.EBUSY, errno.EEXIST, errno.EINTR, errno.EMSGSIZE,
    errno.ENETDOWN, errno.ENOBUFS, errno.ENODEV, errno.ENOENT, errno.ENOMEM, errno.ENXIO,
    errno.EXFULL,
}  # fmt: skip


def read(
    names: Collection[str] | None,
    members_of: Collection[str] = (),
    indexes: Collection[int] = (),
) -> dict[Key, Found]:
    """The links of these names or indexes that exist (names None: all links)."""
    wanted = None if names is None else sorted(names)
    with privileged.helper(len(wanted or ())):
        raws = privileged.read_links(wanted, sorted(members_of), sorted(indexes))
    by_index = {raw["index"]: raw for raw in raws}
    members = _members(raws)
    return {
        Key(LINK, name): _found(raw, by_index, members.get(raw["index"], frozenset()))
        for raw in raws
        for name in (raw["name"], *raw["altnames"])  # for the kernel one is as taken as the other
        if names is None or name in names or raw["index"] in indexes
    }


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


def _members(raws: Iterable[Raw]) -> Mapping[int, frozenset[str]]:
    """What is in a device, or stands on it."""
    members: dict[int, set[str]] = {}
    for raw in raws:
        members.setdefault(raw["master"], set()).add(raw["name"])
        if raw["kind"] in iflink.STACKED:
            members.setdefault(raw["link"], set()).add(raw["name"])
    return {index: frozenset(names) for index, names in members.items()}


def _found(raw: Raw, by_index: Mapping[int, Raw], members: frozenset[str]) -> Found:
    build = _BUILDERS.get(raw["kind"], _other)
    if raw["kind"] == "tun" and raw["data"]["type"] != 2:  # a tun, not a tap
        build = _other
    return Found(
        build(raw, by_index),
        owner=ownership.owner_in_alias(raw["alias"]),
        index=raw["index"],
        members=members,
        held=raw["kind"] == "tun" and bool(raw["data"]["queues"] or raw["carrier"]),
        lasting=raw["kind"] != "tun" or bool(raw["data"]["persistent"]),
        in_shared=_is_shared(by_index.get(raw["master"])),
        part_of=_part_of(by_index.get(raw["master"])),
        others=_others(raw),
        error=_hindrance(raw),
    )


_STOPS = {"isolated": 1, "locked": 1, "learning": 0, "flood": 0, "bcast_flood": 0}


def _hindrance(raw: Raw) -> str:
    """What stops frames and is no field of ours. Of a tap for one queue the kernel does not tell
    whether a guest has it open, so no carrier says nothing."""
    port, queues = raw["port"] or {}, raw["data"].get("queues")
    words = [f"{name} {'on' if stops else 'off'}" for name, stops in _STOPS.items()
             if port.get(name) == stops]  # fmt: skip
    if raw["works"] and port.get("state") == 0:  # all other states the bridge puts right itself
        words.append("state disabled")
    if queues and raw["up"] and not raw["carrier"]:
        words.append("carrier off, though a guest has it open")
    return "; ".join([*words, *filter(None, [raw.get("firewall")])])


def _is_shared(master: Raw | None) -> bool:
    return ownership.owner_in_alias((master or {}).get("alias")) == ownership.SHARED


def _part_of(master: Raw | None) -> str:
    return master["name"] if master is not None and master["kind"] != "bridge" else ""


def _others(raw: Raw) -> frozenset[str]:
    """IPv6 is not taken away from under the addresses that a bridge has, of its NIC or by hand."""
    kept = raw["kind"] == "bridge" and any(":" in address for address in raw["addresses"])
    return frozenset({"disable_ipv6"}) if kept else frozenset()


def _common(raw: Raw, by_index: Mapping[int, Raw]) -> dict[str, Any]:
    master = by_index.get(raw["master"], {})
    # a port of the kernel datapath has a master too, of kind openvswitch: not ours to judge
    bridge = master["name"] if master.get("kind") == "bridge" else ""
    return {
        "name": raw["name"],
        "mtu": raw["mtu"],
        "mac": raw["mac"],
        "up": raw["up"],
        "promisc": raw["promisc"],
        "master": bridge,
        "disable_ipv6": bool(raw["disable_ipv6"]),
        "other_mac": True if _is_shared(master) and raw["mac"] != master["mac"] else None,
        "addressed": raw["name"] if raw["addresses"] else bridge or None,
    }


def _bridge(raw: Raw, by_index: Mapping[int, Raw]) -> Link:
    data = raw["data"]
    return Bridge(
        **_common(raw, by_index),
        forward_delay=data["forward_delay"],
        ageing=data["ageing"],
        stp=bool(data["stp"]),
        mcast_snooping=bool(data["mcast_snooping"]),
        arp_ignore=raw["arp_ignore"],
        arp_announce=raw["arp_announce"],
    )


def _veth(raw: Raw, by_index: Mapping[int, Raw]) -> Link:
    peer = by_index.get(raw["link"])
    return Veth(**_common(raw, by_index), peer=peer["name"] if peer else "")


def _tap(raw: Raw, by_index: Mapping[int, Raw]) -> Link:
    return Tap(**_common(raw, by_index), multi_queue=bool(raw["data"]["multi_queue"]))


def _vlan(raw: Raw, by_index: Mapping[int, Raw]) -> Link:
    parent = by_index.get(raw["link"])
    return Vlan(
        **_common(raw, by_index), parent=parent["name"] if parent else "", vid=raw["data"]["vid"]
    )


def _vxlan(raw: Raw, by_index: Mapping[int, Raw]) -> Link:
    data = raw["data"]
    return Vxlan(
        **_common(raw, by_index),
        vni=data["vni"],
        local=data["local"],
        group=data["group"],
        peers=tuple(data["peers"]),
        ttl=data["ttl"],
        port=data["port"],
        local_ip_present=data["local_ip_present"],
    )


def _other(raw: Raw, by_index: Mapping[int, Raw]) -> Link:
    return OtherLink(**_common(raw, by_index), described=raw["kind"] or "network card")


_BUILDERS: dict[str, Callable[[Raw, Mapping[int, Raw]], Link]] = {
    "bridge": _bridge,
    "veth": _veth,
    "tun": _tap,
    "vlan": _vlan,
    "vxlan": _vxlan,
}


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
