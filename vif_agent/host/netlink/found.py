"""What was read of links becomes resources. No I/O."""

from collections.abc import Callable
from typing import Any

from vif_agent import ownership
from vif_agent.host.netlink.decode import LinkState
from vif_agent.host.netlink.table import LinkTable
from vif_agent.ownership import Found
from vif_agent.resources import Bridge, Link, OtherLink, Tap, Veth, Vlan, Vxlan

_STOPS = {"isolated": 1, "locked": 1, "learning": 0, "flood": 0, "bcast_flood": 0}


def link_found(state: LinkState, table: LinkTable) -> Found:
    """Without what is in it."""
    build = _BUILDERS.get(state.kind, _other)
    if state.kind == "tun" and state.data["type"] != 2:  # a tun, not a tap
        build = _other
    master = table.get(state.master) if state.master else None
    return Found(
        build(state, table),
        owner=ownership.owner_in_alias(state.alias),
        index=state.index,
        held=state.kind == "tun" and bool(state.data["queues"] or state.carrier),
        lasting=state.kind != "tun" or bool(state.data["persistent"]),
        in_shared=is_shared(master),
        part_of=master.name if master and master.kind != "bridge" else "",
        others=_others(state, table),
        error=_hindrance(state),
    )


def is_shared(link: LinkState | None) -> bool:
    """Does its owner tag say so? False for none."""
    return link is not None and ownership.owner_in_alias(link.alias) == ownership.SHARED


def fingerprint(found: Found) -> int:
    """The same for what differs in nothing but its members."""
    return hash(
        (
            *(found.resource, found.owner, found.index, found.held, found.lasting),
            *(found.in_shared, found.part_of, found.others, found.error),
        )
    )


def _hindrance(state: LinkState) -> str:
    """What stops frames and is no field of ours. Of a tap for one queue the kernel does not tell
    whether a guest has it open, so no carrier says nothing."""
    if state.port is None and not state.data.get("queues"):
        return ""
    port = state.port or {}
    words = [f"{name} {'on' if stops else 'off'}" for name, stops in _STOPS.items()
             if port.get(name) == stops]  # fmt: skip
    if state.works and port.get("state") == 0:  # all other states the bridge puts right itself
        words.append("state disabled")
    if state.data.get("queues") and state.up and not state.carrier:
        words.append("carrier off, though a guest has it open")
    return "; ".join(words)


def _others(state: LinkState, table: LinkTable) -> frozenset[str]:
    """IPv6 is not taken away from under the addresses that a bridge has, of its NIC or by hand."""
    kept = state.kind == "bridge" and any(":" in text for text in table.carried.of(state.index))
    return frozenset({"disable_ipv6"}) if kept else frozenset()


def _common(state: LinkState, table: LinkTable) -> dict[str, Any]:
    master = table.get(state.master) if state.master else None
    # a port of the kernel datapath has a master too, of kind openvswitch: not ours to judge
    bridge = master.name if master and master.kind == "bridge" else ""
    other_mac = is_shared(master) and master is not None and state.mac != master.mac
    return {
        "name": state.name,
        "mtu": state.mtu,
        "mac": state.mac,
        "up": state.up,
        "promisc": state.promisc,
        "master": bridge,
        "disable_ipv6": bool(state.sysctls["disable_ipv6"]),
        "other_mac": True if other_mac else None,
        "addressed": state.name if table.carried.of(state.index) else bridge or None,
    }


def _bridge(state: LinkState, table: LinkTable) -> Link:
    data = state.data
    return Bridge(
        **_common(state, table),
        forward_delay=data["forward_delay"],
        ageing=data["ageing"],
        stp=bool(data["stp"]),
        mcast_snooping=bool(data["mcast_snooping"]),
        learns_link_local=data["learns_link_local"],
        arp_ignore=state.sysctls["arp_ignore"],
        arp_announce=state.sysctls["arp_announce"],
    )


def _veth(state: LinkState, table: LinkTable) -> Link:
    return Veth(**_common(state, table), peer=_lower(state, table))


def _tap(state: LinkState, table: LinkTable) -> Link:
    return Tap(**_common(state, table), multi_queue=bool(state.data["multi_queue"]))


def _vlan(state: LinkState, table: LinkTable) -> Link:
    return Vlan(**_common(state, table), parent=_lower(state, table), vid=state.data["vid"])


def _lower(state: LinkState, table: LinkTable) -> str:
    lower = table.get(state.link) if state.link else None
    return lower.name if lower else ""


def _vxlan(state: LinkState, table: LinkTable) -> Link:
    data = state.data
    return Vxlan(
        **_common(state, table),
        vni=data["vni"],
        local=data["local"],
        group=data["group"],
        peers=tuple(sorted((table.peers(state.index) or set()) - {data["group"]})),
        ttl=data["ttl"],
        port=data["port"],
        local_ip_present=data["below"] in (0, table.carried.bearer(data["local"])),
    )


def _other(state: LinkState, table: LinkTable) -> Link:
    return OtherLink(**_common(state, table), described=state.kind or "network card")


_BUILDERS: dict[str, Callable[[LinkState, LinkTable], Link]] = {
    "bridge": _bridge,
    "veth": _veth,
    "tun": _tap,
    "vlan": _vlan,
    "vxlan": _vxlan,
}
