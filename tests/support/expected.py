"""What must be on a host for its requests, said anew from docs/vif-types.md: no plugin, no plan."""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tests.support.examples import INSTANCE
from tests.support.real_host import Vif, links, tables
from vif_agent.helper import guards as helper_guards
from vif_agent.testing.ovs import PrivateOvs

Facts = dict[str, Any]


@dataclasses.dataclass(slots=True)
class Things:
    """Links, OVS ports, OVS bridges, and guards by their devices' names, with the facts that are
    the contract's. ``guards`` are asked for by who has them made."""

    links: dict[str, Facts] = dataclasses.field(default_factory=dict)
    ports: dict[str, Facts] = dataclasses.field(default_factory=dict)
    bridges: dict[str, Facts] = dataclasses.field(default_factory=dict)
    guards: dict[str, Facts] = dataclasses.field(default_factory=dict)


def expected(
    vifs: Sequence[Vif],
    there_before: Iterable[str] = ("br-int",),
    refused: Callable[[Vif], bool] = lambda _: False,
) -> Things:
    """``vifs`` in the order of their last casts; a port that is ``refused`` gets nothing of its
    own. ``there_before``: bridges that are not the agent's, used as they are."""
    wanted, before = Things(), set(there_before)
    granted = [vif for vif in vifs if not refused(vif)]
    used = {name for vif in granted for name in bridges_of(vif)}
    for vif in vifs:
        if vif["type"] == "bridge" and used.intersection(bridges_of(vif)):
            wanted.links[vif["network"]["bridge"]] = _shared_bridge(vif)
    for vif in granted:
        wanted.links |= _links(vif)
        if _is_on_ovs(vif):
            wanted.ports[ovs_port(vif)] = _ovs_port(vif)
            wanted.bridges[ovs_bridge(vif)] = {"vif-agent": "shared"}
            wanted.links[ovs_bridge(vif)] = {"kind": "tun"}
    wanted.links = {k: v for k, v in wanted.links.items() if k not in before}
    wanted.bridges = {k: v for k, v in wanted.bridges.items() if k not in before}
    return wanted


def guards(vifs: Iterable[Vif]) -> dict[str, Facts]:
    """Of ports on linux bridges whose port security is on."""
    return {
        "tap" + vif["id"][:11]: {
            "owner": vif["id"],
            "macs": (vif["address"],),
            "pairs": tuple(sorted((vif["address"], network) for network in _networks(vif))),
        }
        for vif in vifs
        if vif["type"] == "bridge" and vif["meta"].get("port_security_enabled", True)
    }


def kept_guards(vifs: Iterable[Vif], found: Things) -> list[str]:
    """Of taps that others wire now, and that are still in a bridge, their guards stay: no plug of
    such a tap says where it belongs, and no guest is let into a bridge unguarded."""
    taps = ["tap" + vif["id"][:11] for vif in vifs if vif["type"] == "tap"]
    return [name for name in taps if found.links.get(name, {}).get("master")]


def _networks(vif: Vif) -> list[str]:
    """Any, where the sender does not say which addresses it may use."""
    if "allowed_address_pairs" not in vif["meta"]:
        return ["0.0.0.0/0", "::/0"]
    fixed = [ip["address"] for net in vif["network"]["subnets"] for ip in net["ips"]]
    more = [pair["ip_address"] for pair in vif["meta"]["allowed_address_pairs"]]
    octets = bytes.fromhex(vif["address"].replace(":", ""))
    local = b"\xfe\x80" + bytes(6) + bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    return [str(ipaddress.ip_network(one)) for one in (*fixed, *more, local)]


def actual_guards() -> dict[str, Facts]:
    """As they are in the kernel, decoded; without their rules they are none."""
    read = helper_guards.read()
    return (
        {name: fields for name, (_, fields) in read["guards"].items()} if read["enforced"] else {}
    )


def bridges_of(vif: Vif) -> list[str]:
    """The bridge that the port shares with others."""
    if vif["type"] == "bridge":
        return [vif["network"]["bridge"]]
    return [ovs_bridge(vif)] if _is_on_ovs(vif) else []


def _is_on_ovs(vif: Vif) -> bool:
    return vif["type"] == "ovs" or _is_vhostuser(vif)


def _is_vhostuser(vif: Vif) -> bool:
    return bool(vif["details"].get("vhostuser_ovs_plug"))


def ovs_bridge(vif: Vif) -> str:
    return str(vif["details"].get("bridge_name") or vif["network"]["bridge"])


def ovs_port(vif: Vif) -> str:
    prefix = "qvo" if _is_hybrid(vif) else "vhu" if _is_vhostuser(vif) else "tap"
    return prefix + str(vif["id"][:11])


def _is_hybrid(vif: Vif) -> bool:
    return bool(vif["details"].get("ovs_hybrid_plug"))


def _own(vif: Vif, kind: str, **facts: object) -> Facts:
    mtu = vif["network"]["meta"]["mtu"]
    alias = f"vif-agent {vif['id']}"
    return {"kind": kind, "mtu": mtu, "alias": alias, "up": True, "master": None, **facts}


def _links(vif: Vif) -> dict[str, Facts]:
    tap, qbr, qvb, qvo = (prefix + vif["id"][:11] for prefix in ("tap", "qbr", "qvb", "qvo"))
    safe_mac = "fe" + vif["address"][2:]
    if vif["type"] == "tap":
        facts = _own(vif, "tun", mac=vif["details"].get("mac_address", safe_mac))
        return {tap: {k: v for k, v in facts.items() if k != "master"}}  # who else wires it
    if vif["type"] == "bridge":
        return {tap: _own(vif, "tun", mac=safe_mac, master=vif["network"]["bridge"])}
    if _is_hybrid(vif):
        return {
            qbr: _own(vif, "bridge", forward_delay=0, stp_state=0, ageing_time=0),
            qvb: _own(vif, "veth", link=qvo, promisc=True, master=qbr),
            qvo: _own(vif, "veth", link=qvb, promisc=True),
        }
    ours = vif["details"].get("ovs_create_tap")
    return {tap: _own(vif, "tun", mac=vif["address"])} if ours else {}


def _shared_bridge(vif: Vif) -> Facts:
    settings = {"forward_delay": 0, "stp_state": 0, "mcast_snooping": 0, "ageing_time": 30000}
    return {**_own(vif, "bridge"), "alias": "vif-agent shared", **settings}


def external_ids(vif: Vif) -> Facts:
    """Of the interface of its OVS port."""
    return {
        "iface-id": vif["id"],
        "iface-status": "active",
        "attached-mac": vif["address"],
        "vm-uuid": INSTANCE["uuid"],
        "vif-agent": vif["id"],
    }


def _ovs_port(vif: Vif) -> Facts:
    return {
        "bridge": ovs_bridge(vif),
        **external_ids(vif),
        "mtu_request": vif["network"]["meta"]["mtu"],
        "qos": None if vif["details"].get("datapath_type") == "netdev" else "linux-noop",
        "type": "",
        **(_vhostuser(vif) if _is_vhostuser(vif) else {}),
    }


def _vhostuser(vif: Vif) -> Facts:
    socket = {"vhost-server-path": vif["details"]["vhostuser_socket"]}
    if vif["details"]["vhostuser_mode"] == "client":
        return {"type": "dpdkvhostuser", "options": {}, "qos": None}
    return {"type": "dpdkvhostuserclient", "options": socket, "qos": None}


def actual(ovs: PrivateOvs) -> Things:
    """What `ip` and `ovs-vsctl` show of everything."""
    bridges, ports, interfaces, qos = tables(ovs, "bridge", "port", "interface", "qos")
    holders = {uuid: bridge["name"] for bridge in bridges for uuid in _set(bridge["ports"])}
    types = {row["_uuid"]: row["type"] for row in qos}
    by_name = {row["name"]: row for row in interfaces}
    local = {bridge["name"] for bridge in bridges}
    return Things(
        {name: _shown(link) for name, link in links().items()},
        {
            port["name"]: {
                "bridge": holders.get(port["_uuid"]),
                "qos": types.get(str(port["qos"])),
                **{k: by_name[port["name"]][k] for k in ("mtu_request", "type", "options")},
                **by_name[port["name"]]["external_ids"],
            }
            for port in ports
            if port["name"] not in local
        },
        {bridge["name"]: dict(bridge["external_ids"]) for bridge in bridges},
    )


def _set(value: Any) -> list[Any]:
    """ovs-vsctl shows a set of one as the one."""
    return value if isinstance(value, list) else [value]


def _shown(link: Mapping[str, Any]) -> Facts:
    info = link.get("linkinfo", {})
    return {
        "kind": info.get("info_kind"),
        "mtu": link["mtu"],
        "alias": link.get("ifalias"),
        "up": "UP" in link["flags"],
        "promisc": "PROMISC" in link["flags"],
        "master": link.get("master"),
        "link": link.get("link"),
        "mac": link["address"],
        **info.get("info_data", {}),
    }


def differences(
    wanted: Things, found: Things, others: Iterable[str], tolerated: Iterable[str] = ()
) -> list[str]:
    """How the host is not just as wanted, ``others`` apart; ``tolerated`` may be there or not."""
    passed = {*others, *tolerated}
    reported: list[str] = []
    for space in ("links", "ports", "bridges", "guards"):
        want: dict[str, Facts] = getattr(wanted, space)
        have: dict[str, Facts] = getattr(found, space)
        reported += [f"{space}: no {name}" for name in want.keys() - have.keys()]
        reported += [f"{space}: {name} too many" for name in have.keys() - want.keys() - passed]
        reported += [
            f"{space}: {name}: {fact} is {have[name].get(fact)!r}, not {value!r}"
            for name in want.keys() & have.keys()
            for fact, value in want[name].items()
            if have[name].get(fact) != value
        ]
    return sorted(reported)
