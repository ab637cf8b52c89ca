"""The VIFs the demo plugs: the shipped payloads, and a burst made after their pattern."""

from __future__ import annotations

import copy
import dataclasses
import json
import uuid
from collections.abc import Collection
from pathlib import Path
from typing import Any

PAYLOADS = Path(__file__).parent.parent / "examples" / "payloads"
INSTANCE = {
    "uuid": "0b2a3f6e-5a7c-4c7e-9d0c-1f6f0c8d3b5a",
    "name": "instance-0000002a",
    "project_id": "7b1f6f0f3c4e4a7f9d7d3a4b5c6d7e8f",
}
#: they need a vendor's program, and the demo has none
COMMANDED = (
    "midonet", "iovisor", "ivs", "ivs_hybrid", "vrouter", "vrouter_direct",
    "vrouter_virtio_forwarder", "ib_hostdev", "mlnx_direct",
    "vhostuser_fp_ovs", "vhostuser_fp_hybrid", "vhostuser_fp_bridge", "vhostuser_vrouter",
)  # fmt: skip
#: their port waits for a VF of a card, and the scratch host has none
OF_A_CARD = (
    "hw_veb_direct", "hw_veb_macvtap", "ovs_direct", "ovs_direct_netdev", "ovs_vdpa",
    "agilio_ovs_direct",
)  # fmt: skip
#: 802.1Q devices, which not every kernel has
ON_A_VLAN = ("bridge_vlan", "macvtap")
BURST = ("ovs_hybrid", "ovs_create_tap", "bridge")
NETWORKS = 4
_SEED = uuid.UUID("f3b7c1de-5d8c-4f0e-9c58-6d0d2f6f7a11")


@dataclasses.dataclass(frozen=True)
class Port:
    """``refusal``: the (code, words of the message) expected; None when it must become ready."""

    payload: str
    vif: dict[str, Any]
    refusal: tuple[str, str] | None = None

    @property
    def id(self) -> str:
        return str(self.vif["id"])

    def device(self, prefix: str) -> str:
        return prefix + self.id[:11]

    def rightly_refused(self, view: dict[str, Any]) -> bool:
        code, words = self.refusal or ("", "")
        error = view["error"] or {"code": None, "message": ""}
        return view["state"] == "error" and error["code"] == code and words in error["message"]


def shipped(plugins: Collection[str], vlan_devices: bool) -> list[Port]:
    """All of examples/payloads/ but a card's, for an agent with these plugins and such a kernel."""
    paths = [path for path in sorted(PAYLOADS.glob("*.json")) if path.stem not in OF_A_CARD]
    found = {path.stem: json.loads(path.read_text()) for path in paths}
    return [Port(n, vif, _refusal(n, vif, plugins, vlan_devices)) for n, vif in found.items()]


def _refusal(
    name: str, vif: dict[str, Any], plugins: Collection[str], vlan_devices: bool
) -> tuple[str, str] | None:
    kind = str(vif["type"])
    if kind in ("binding_failed", "unbound"):
        return "binding_refused", kind
    if kind not in plugins:
        return "no_plugin", repr(kind)
    if name in COMMANDED:
        return "command_not_allowed", "[commands] allowed"
    if name in ("bridge_flat", "bridge_vxlan"):
        return "not_configured", "[network]"
    if name in ON_A_VLAN and not vlan_devices:
        return "host_refused", "not supported"
    return None


def burst(count: int) -> list[Port]:
    """The same ports at each run: a third each of hybrid, direct and linux bridge."""
    patterns = {name: json.loads((PAYLOADS / f"{name}.json").read_text()) for name in BURST}
    return [_port(BURST[i % len(BURST)], patterns, i) for i in range(count)]


def network(port: Port) -> str:
    return str(port.vif["network"]["id"])


def _port(name: str, patterns: dict[str, Any], number: int) -> Port:
    vif = copy.deepcopy(patterns[name])
    vif["id"] = str(uuid.uuid5(_SEED, f"port {number}"))
    vif["address"] = f"fa:16:3e:de:{number >> 8:02x}:{number & 255:02x}"
    vif["devname"] = "tap" + vif["id"][:11]
    vif["network"]["id"] = str(uuid.uuid5(_SEED, f"network {number // len(BURST) % NETWORKS}"))
    if name == "bridge":
        vif["network"]["bridge"] = "brq" + vif["network"]["id"][:11]
    else:
        vif["ovs_interfaceid"] = vif["id"]
    return Port(name, vif)
