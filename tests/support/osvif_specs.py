"""Each form of os-vif object that nova makes, as JSON: nova's VIF in, os-vif's object out.

What ``nova.network.os_vif_util`` (nova 34) does, and for the forms that no example payload is of,
what it would.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.support.examples import INSTANCE

Spec = dict[str, Any]
Vif = dict[str, Any]

PCI = "0000:81:02.3"
SOCKET = "/var/run/openvswitch/vhu7036e6bb-59"


def instance() -> Spec:
    return {"class": "InstanceInfo", **INSTANCE}


def _subnet(subnet: dict[str, Any]) -> Spec:
    ips = [
        {"class": "FixedIP", "address": ip["address"], "floating_ips": []} for ip in subnet["ips"]
    ]
    return {
        "class": "Subnet",
        "cidr": subnet["cidr"],
        "dns": [ip["address"] for ip in subnet["dns"]],
        "gateway": subnet["gateway"]["address"],
        "ips": {"class": "FixedIPList", "objects": ips},
        "routes": {"class": "RouteList", "objects": []},
    }


def _network(network: dict[str, Any]) -> Spec:
    meta = network["meta"]
    spec = {
        "class": "Network",
        "id": network["id"],
        "label": network["label"],
        "mtu": meta["mtu"],
        "bridge_interface": meta.get("bridge_interface"),
        "subnets": {"class": "SubnetList", "objects": [_subnet(s) for s in network["subnets"]]},
    }
    if network["bridge"] is not None:
        spec["bridge"] = network["bridge"]
    if "should_create_bridge" in meta:
        spec["should_provide_bridge"] = meta["should_create_bridge"]
    if "should_create_vlan" in meta:
        spec |= {"should_provide_vlan": meta["should_create_vlan"], "vlan": int(meta["vlan"])}
    return spec


def _vif(vif: Vif, name: str, plugin: str, **fields: Any) -> Spec:
    return {
        "class": name,
        "id": vif["id"],
        "address": vif["address"],
        "network": _network(vif["network"]),
        "plugin": plugin,
        "active": vif["active"],
        "preserve_on_delete": vif["preserve_on_delete"],
        "has_traffic_filtering": vif["details"].get("port_filter", False),
        **fields,
    }


def _ovs_profile(vif: Vif, **fields: Any) -> Spec:
    return {
        "class": "VIFPortProfileOpenVSwitch",
        "interface_id": vif["ovs_interfaceid"],
        "datapath_type": vif["details"]["datapath_type"],
        **fields,
    }


def ovs(vif: Vif) -> Spec:
    tap = vif["details"].get("ovs_create_tap", False)
    profile = _ovs_profile(vif, create_tap=tap, create_port=vif["delegate_create"])
    name, bridge = vif["devname"], vif["network"]["bridge"]
    fields = {"vif_name": name, "bridge_name": bridge, "port_profile": profile}
    return _vif(vif, "VIFOpenVSwitch", "ovs", **fields)


def ovs_multiqueue(vif: Vif) -> Spec:
    spec = ovs(vif)
    spec["port_profile"]["multiqueue"] = True
    return spec


def ovs_hybrid(vif: Vif) -> Spec:
    qbr, profile = ("qbr" + vif["id"])[:14], _ovs_profile(vif, create_tap=False)
    fields = {"vif_name": vif["devname"], "bridge_name": qbr, "port_profile": profile}
    return _vif(vif, "VIFBridge", "ovs", **fields)


def linux_bridge(vif: Vif) -> Spec:
    fields = {"vif_name": vif["devname"], "bridge_name": vif["network"]["bridge"]}
    return _vif(vif, "VIFBridge", "linux_bridge", **fields)


def vhostuser_ovs(vif: Vif) -> Spec:
    return _vhostuser(vif, "ovs", port_profile=_ovs_profile(vif))


def _vhostuser(vif: Vif, plugin: str, **fields: Any) -> Spec:
    details = vif["details"]
    mode, path = details.get("vhostuser_mode", "client"), details.get("vhostuser_socket", SOCKET)
    socket = {"mode": mode, "path": path, "vif_name": vif["devname"]}
    return _vif(vif, "VIFVHostUser", plugin, **socket, **fields)


def _offload(vif: Vif) -> Spec:
    named = {"representor_name": vif["devname"], "representor_address": PCI}
    return {"class": "DatapathOffloadRepresentor", **named}


def _representor(vif: Vif) -> Spec:
    return {
        "class": "VIFPortProfileOVSRepresentor",
        "interface_id": vif["id"],
        "representor_name": vif["devname"],
        "representor_address": PCI,
        "datapath_offload": _offload(vif),
    }


def _device(vif: Vif, plugin: str, **fields: Any) -> Spec:
    device = {"dev_address": PCI, "dev_type": "ethernet"}
    return _vif(vif, "VIFHostDevice", plugin, **device, **fields)


def _base_profile(vif: Vif) -> Spec:
    return {"class": "VIFPortProfileBase", "datapath_offload": _offload(vif)}


def _fp(vif: Vif, name: str, **fields: Any) -> Spec:
    return _vhostuser(vif, "vhostuser_fp", port_profile={"class": name, **fields})


def _fp_ovs(vif: Vif, bridge: str, hybrid: bool) -> Spec:
    fields = {"bridge_name": bridge, "hybrid_plug": hybrid, "datapath_type": "netdev"}
    return _fp(vif, "VIFPortProfileFPOpenVSwitch", interface_id=vif["id"], **fields)


def _qbg(vif: Vif) -> Spec:
    fields = {"manager_id": 8, "type_id": 1, "type_id_version": 2, "instance_id": vif["id"]}
    return _device(vif, "noop", port_profile={"class": "VIFPortProfile8021Qbg", **fields})


def _qbh(vif: Vif) -> Spec:
    profile = {"class": "VIFPortProfile8021Qbh", "profile_id": "gold"}
    return _device(vif, "noop", port_profile=profile)


#: by example payload: the forms that nova really makes of it
OF_EXAMPLES: dict[str, Callable[[Vif], Spec]] = {
    "ovs": ovs,
    "ovs_create_tap": ovs,
    "ovs_hybrid": ovs_hybrid,
    "bridge": linux_bridge,
    "bridge_vlan": linux_bridge,
    "vhostuser_ovs": vhostuser_ovs,
    "vhostuser_ovs_client": vhostuser_ovs,
}

#: the others, to be made of any OVS payload
OTHERS: dict[str, Callable[[Vif], Spec]] = {
    "ovs_representor": lambda vif: _device(vif, "ovs", port_profile=_representor(vif)),
    "remote_managed": lambda vif: _device(vif, "noop", vif_name=vif["devname"]),
    "vrouter": lambda vif: _vif(vif, "VIFGeneric", "vrouter", vif_name=vif["devname"]),
    "vrouter_direct": lambda vif: _device(vif, "vrouter", port_profile=_base_profile(vif)),
    "vrouter_forwarder": lambda vif: _vhostuser(vif, "vrouter", port_profile=_base_profile(vif)),
    "ivs": lambda vif: _vif(vif, "VIFGeneric", "ivs", vif_name=vif["devname"]),
    "ivs_hybrid": lambda vif: _vif(vif, "VIFBridge", "ivs", vif_name="tap1", bridge_name="qbr1"),
    "agilio_direct": lambda vif: _device(vif, "agilio_ovs", port_profile=_representor(vif)),
    "agilio_forwarder": lambda vif: _vhostuser(vif, "agilio_ovs", port_profile=_representor(vif)),
    "fp_ovs": lambda vif: _fp_ovs(vif, "br-fp", False),
    "fp_hybrid": lambda vif: _fp_ovs(vif, "qbr1", True),
    "fp_bridge": lambda vif: _fp(vif, "VIFPortProfileFPBridge", bridge_name="brq1"),
    "fp_tap": lambda vif: _fp(vif, "VIFPortProfileFPTap", mac_address="fe:16:3e:00:00:01"),
    "contrail": lambda vif: _vhostuser(vif, "contrail_vrouter"),
    "bare_vhostuser": lambda vif: _vhostuser(vif, "noop"),
    "qbg": _qbg,
    "qbh": _qbh,
}
