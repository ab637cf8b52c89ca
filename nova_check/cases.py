"""What is plugged: VIFs as nova's database keeps them, made of the shipped payloads."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tests.support.examples import INSTANCE, PAYLOADS

Vif = dict[str, Any]

_MULTI_QUEUE = {"hw:vif_multiqueue_enabled": "true"}
TRUNK = "tbr-5c3e9a71-0"


@dataclass(frozen=True)
class Case:
    """``legacy``: nova plugs it itself, beside os-vif. ``own_bridge``: both with their option
    ``per_port_bridge``."""

    title: str
    vif: Vif
    legacy: bool = False
    own_bridge: bool = False
    vcpus: int = 1
    extra_specs: dict[str, str] = field(default_factory=dict)
    instance: str = INSTANCE["uuid"]

    @property
    def owner(self) -> dict[str, Any]:
        """``id`` gives the instance's name."""
        asked = {"vcpus": self.vcpus, "extra_specs": self.extra_specs}
        return {"id": 42, "uuid": self.instance, "project_id": INSTANCE["project_id"], **asked}


def _payload(name: str, details: dict[str, Any] | None = None, **fields: Any) -> Vif:
    vif: Vif = json.loads((PAYLOADS / f"{name}.json").read_text())
    return {**vif, **fields, "details": {**vif["details"], **(details or {})}}


def _on_trunk(vif: Vif) -> Vif:
    return {**vif, "network": {**vif["network"], "bridge": TRUNK}}


def _netdev(name: str, **details: Any) -> Vif:
    return _payload(name, {"datapath_type": "netdev", **details})


def _multi_queue(title: str, vif: Vif, legacy: bool = False) -> Case:
    return Case(title, vif, legacy, vcpus=4, extra_specs=_MULTI_QUEUE)


CASES = (
    Case("ovs direct", _payload("ovs")),
    Case("ovs direct, netdev", _netdev("ovs")),
    Case("ovs direct, not delegated", _payload("ovs", delegate_create=False)),
    Case("ovs direct, create_tap", _payload("ovs_create_tap")),
    _multi_queue("ovs direct, create_tap, multi-queue", _payload("ovs_create_tap")),
    Case("ovs hybrid", _payload("ovs_hybrid")),
    Case("ovs hybrid, netdev", _netdev("ovs_hybrid")),
    Case("ovs hybrid, netdev, trunk", _on_trunk(_netdev("ovs_hybrid", bridge_name=TRUNK))),
    Case("ovs direct, own bridge, netdev", _netdev("ovs"), own_bridge=True),
    Case("ovs direct, own bridge, netdev, tap", _netdev("ovs_create_tap"), own_bridge=True),
    Case("vhostuser, server", _payload("vhostuser_ovs")),
    Case("vhostuser, client", _payload("vhostuser_ovs_client")),
    Case("tap", _payload("tap"), legacy=True),
    _multi_queue("tap, multi-queue", _payload("tap"), legacy=True),
    Case("macvtap", _payload("macvtap"), legacy=True),
    Case("hw_veb", _payload("hw_veb_direct", profile={"pci_slot": "0000:03:10.1"}), legacy=True),
    Case("hw_veb, trusted", _payload("hw_veb_direct"), legacy=True),
    Case("hw_veb, macvtap", _payload("hw_veb_macvtap"), legacy=True),
)
