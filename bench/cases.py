"""The ports that are plugged: VIF dicts as nova serialises them, and what must exist afterwards."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Vif = dict[str, Any]
Instance = dict[str, Any]

_SEED = uuid.UUID("0d5ca9c3-5f1c-4b53-9b9e-3c8b5a8f6d11")
PROJECT = "7b1f6f0f3c4e4a7f9d7d3a4b5c6d7e8f"
OVS_BRIDGE = "br-int"
PORTS_PER_NETWORK = 10

NO_TAP = "Nobody makes the guest's tap: with hybrid wiring that is libvirt's part."
SOCKETS = (
    "ovs-vswitchd's userspace datapath needs some 14 ms for each removed port, on closing its "
    "packet socket. os-vif and ovs-vsctl wait for that; who does not has it in 'truly unplugged "
    "later by'."
)
LATE_TAP = (
    "os-vif makes the tap after the port. ovs-vswitchd then sets the new tap promiscuous, and when "
    "it writes back the flags it had read before os-vif set the tap up, the tap stays down: "
    "'still wrong'. The kernel datapath does not set that flag."
)
LIBVIRT = (
    "os-vif's plugin only makes the bridge. To compare, its time includes making the tap and "
    "putting it into the bridge by ioctls, as libvirt would, and removing it."
)


@dataclass(frozen=True)
class Device:
    """A link that must be there, up, while its port is plugged."""

    name: str
    mtu: int
    master: str | None = None


@dataclass(frozen=True)
class Case:
    """One way of wiring a port. `ovs_port` gives the OVS port's name, None if there is none."""

    name: str
    title: str
    vif: Callable[[str, int], Vif]
    devices: Callable[[Vif], list[Device]]
    ovs_port: Callable[[Vif], str | None]
    notes: tuple[str, ...] = ()

    def vifs(self, count: int, first: int = 0, per_network: int = PORTS_PER_NETWORK) -> list[Vif]:
        """The same ports in every run; ten to a network, as on a host of small tenants."""
        networks = max(1, count // per_network)
        numbers = range(first, first + count)
        return [self.vif(f"{self.name}-{i}", i % networks) for i in numbers]

    def shared(self, vifs: list[Vif]) -> set[str]:
        """The networks' bridges, which outlive their ports."""
        return {vif["network"]["bridge"] for vif in vifs} if self.name == "bridge" else set()


def named(prefix: str, port_id: str) -> str:
    """nova's device name: a prefix and the first eleven characters of the id."""
    return (prefix + port_id)[:14]


def instance(vif: Vif) -> Instance:
    """The instance that owns this port: one each."""
    owner = str(uuid.uuid5(_SEED, "instance " + vif["id"]))
    return {"uuid": owner, "name": "instance-" + owner[:8], "project_id": PROJECT}


def mtu(vif: Vif) -> int:
    """The network's MTU in bytes."""
    return int(vif["network"]["meta"]["mtu"])


def _mac(seed: str) -> str:
    tail = uuid.uuid5(_SEED, "mac " + seed).bytes
    return "fa:16:3e:" + ":".join(f"{byte:02x}" for byte in tail[:3])


def _subnet(network: int) -> dict[str, Any]:
    address = {"address": f"192.0.2.{network % 250 + 1}", "type": "fixed", "version": 4}
    return {
        "cidr": "192.0.2.0/24",
        "dns": [],
        "gateway": {"address": "192.0.2.254", "meta": {}, "type": None, "version": 4},
        "ips": [address | {"meta": {}, "floating_ips": []}],
        "meta": {},
        "routes": [],
        "version": 4,
    }


def _network(seed: str, number: int, meta: dict[str, Any], bridge: str | None) -> dict[str, Any]:
    network_id = str(uuid.uuid5(_SEED, f"network {seed} {number}"))
    return {
        "id": network_id,
        "bridge": bridge or named("brq", network_id),
        "label": "tenant-a-net",
        "meta": {"injected": False, "tenant_id": PROJECT} | meta,
        "subnets": [_subnet(number)],
    }


def _frame(seed: str, kind: str, network: dict[str, Any], details: dict[str, Any]) -> Vif:
    port_id = str(uuid.uuid5(_SEED, "port " + seed))
    return {
        "id": port_id,
        "address": _mac(seed),
        "type": kind,
        "devname": named("tap", port_id),
        "network": network,
        "details": {"connectivity": "l2", "port_filter": True} | details,
        "ovs_interfaceid": port_id if kind == "ovs" else None,
        "active": False,
        "delegate_create": kind == "ovs" and not details["ovs_hybrid_plug"],
        "preserve_on_delete": False,
        "profile": {},
        "meta": {},
        "qbg_params": None,
        "qbh_params": None,
        "vnic_type": "normal",
    }


def _ovs(seed: str, number: int, driver: str, **details: bool) -> Vif:
    network = _network("ovs", number, {"mtu": 1450}, OVS_BRIDGE)
    binding = {
        "bound_drivers": {"0": driver},
        "bridge_name": OVS_BRIDGE,
        "datapath_type": "netdev",
    }
    return _frame(seed, "ovs", network, binding | details)


def _hybrid(seed: str, number: int) -> Vif:
    return _ovs(seed, number, "openvswitch", ovs_hybrid_plug=True)


def _tap(seed: str, number: int) -> Vif:
    return _ovs(seed, number, "ovn", ovs_hybrid_plug=False, ovs_create_tap=True)


def _bridge(seed: str, number: int) -> Vif:
    meta = {"mtu": 1500, "should_create_bridge": True}
    return _frame(seed, "bridge", _network("bridge", number, meta, None), {})


def _hybrid_devices(vif: Vif) -> list[Device]:
    qbr = named("qbr", vif["id"])
    return [
        Device(qbr, mtu(vif)),
        Device(named("qvb", vif["id"]), mtu(vif), master=qbr),
        Device(named("qvo", vif["id"]), mtu(vif)),
    ]


CASES = {
    "hybrid": Case(
        name="hybrid",
        title="OVS hybrid: a bridge and a veth pair for each port, its far end in OVS",
        vif=_hybrid,
        devices=_hybrid_devices,
        ovs_port=lambda vif: named("qvo", vif["id"]),
        notes=(NO_TAP, SOCKETS),
    ),
    "tap": Case(
        name="tap",
        title="OVS, the tap made by us",
        vif=_tap,
        devices=lambda vif: [Device(vif["devname"], mtu(vif))],
        ovs_port=lambda vif: str(vif["devname"]),
        notes=(SOCKETS, LATE_TAP),
    ),
    "bridge": Case(
        name="bridge",
        title="linux bridge, the tap made by us; ten ports to a network",
        vif=_bridge,
        devices=lambda vif: [Device(vif["devname"], mtu(vif), master=vif["network"]["bridge"])],
        ovs_port=lambda vif: None,
        notes=(LIBVIRT,),
    ),
}
