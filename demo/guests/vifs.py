"""The VIFs of the two guests: one NIC for each way in which nova has a guest's NIC wired."""

from __future__ import annotations

import copy
import dataclasses
import json
import uuid
from collections.abc import Mapping
from typing import Any

from demo.ports import PAYLOADS, Port

_SEED = uuid.UUID("6f0f1d5e-1c0b-4b39-9a52-3f0c6a1d7e21")
_FLAT = {"mtu": 1500, "network_type": "flat", "physical_network": "physnet1"}
_NETDEV = {"datapath_type": "netdev"}  # Open vSwitch's datapath in userspace
PEER = {1: 2, 2: 1}
PROBER = 254


@dataclasses.dataclass(frozen=True)
class Kind:
    """``payload``: of examples/payloads/, the pattern. ``tap``, ``switch``: who makes these."""

    name: str
    payload: str
    tap: str
    switch: str
    details: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    fields: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def on_ovs(self) -> bool:
        return self.payload.startswith("ovs")

    @property
    def number(self) -> int:
        """Its subnet's third octet."""
        return KINDS.index(self) + 1

    def address(self, guest: int) -> str:
        return f"10.0.{self.number}.{guest}"


KINDS = (
    Kind("tap", "tap", "nova", "agent's linux bridge", {"mac_address": None}),
    Kind("bridge", "bridge_flat", "libvirt", "agent's linux bridge"),
    Kind("hybrid", "ovs_hybrid", "libvirt", "agent's qbr, qvb, qvo", _NETDEV),
    Kind("create_tap", "ovs_create_tap", "agent", "agent's OVS port", _NETDEV),
    Kind("ovs", "ovs", "libvirt", "agent's OVS port", _NETDEV),
    Kind("virtualport", "ovs", "libvirt", "libvirt's OVS port", _NETDEV,
         {"delegate_create": False}),
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Nic:
    """``queues``: of its guest, for nova gives a guest's NICs one for each CPU or one alone."""

    kind: Kind
    guest: int
    queues: int

    @property
    def port(self) -> Port:
        return Port(self.kind.payload, self.vif)

    @property
    def tap(self) -> str:
        return str(self.vif["devname"])

    @property
    def address(self) -> str:
        return self.kind.address(self.guest)

    @property
    def vif(self) -> dict[str, Any]:
        """As nova keeps it; what becomes of it in the domain's XML is in ``interfaces/``."""
        pattern = json.loads((PAYLOADS / f"{self.kind.payload}.json").read_text())
        vif: dict[str, Any] = {**copy.deepcopy(pattern), **self.kind.fields}
        vif["id"] = str(uuid.uuid5(_SEED, f"{self.kind.name} {self.guest}"))
        vif["address"] = f"fa:16:3e:15:0{self.kind.number}:0{self.guest}"
        vif["devname"] = "tap" + vif["id"][:11]
        vif["details"] |= self.kind.details
        if "mac_address" in self.kind.details:
            vif["details"]["mac_address"] = "fe" + vif["address"][2:]
        self._put_into_network(vif)
        return vif

    @property
    def sent(self) -> dict[str, Any]:
        """What is cast: the queues, which nova's VIF has not, come with os-vif's port profile."""
        vif = self.vif
        vif["details"]["multiqueue"] = self.queues > 1
        return vif

    def _put_into_network(self, vif: dict[str, Any]) -> None:
        network = vif["network"]
        subnet = {**network["subnets"][0], "cidr": f"10.0.{self.kind.number}.0/24"}
        subnet["ips"] = [{**subnet["ips"][0], "address": self.address}]
        subnet["gateway"] = {**subnet["ips"][0], "address": self.kind.address(PROBER)}
        network["subnets"] = [subnet]
        if self.kind.on_ovs:
            vif["ovs_interfaceid"] = vif["id"]
        else:
            network |= {"id": str(_SEED), "bridge": f"brq{_SEED}"[:14]}
            network["meta"] = {**network["meta"], **_FLAT}


def nics(guest: int, queues: int) -> list[Nic]:
    return [Nic(kind, guest, queues) for kind in KINDS]
