"""os-vif's objects as the agent's VIF and instance: the inverse of nova's ``os_vif_util``.

Reads the objects by their own names and fields, so it needs no os-vif, and takes those of every
version: what a version does not have, and what was never set, is None. What an os-vif object does
not carry (docs/nova.md lists it) is not made up here.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from vif_agent.errors import InvalidRequest

Json = dict[str, Any]

_OVS = "VIFPortProfileOpenVSwitch"
_REPRESENTOR = "VIFPortProfileOVSRepresentor"
_FP_OVS = "VIFPortProfileFPOpenVSwitch"
_FP_BRIDGE = "VIFPortProfileFPBridge"
_FP_TAP = "VIFPortProfileFPTap"
_QBG = "VIFPortProfile8021Qbg"
_QBH = "VIFPortProfile8021Qbh"
_BASE = "VIFPortProfileBase"


@dataclasses.dataclass(frozen=True, slots=True)
class Form:
    """What nova means by one class of object with one plugin name."""

    vif_type: str
    profiles: tuple[str, ...] = ()
    vnic_type: str = "normal"
    details: Mapping[str, bool] = dataclasses.field(default_factory=dict)


_HYBRID, _PLAIN = {"ovs_hybrid_plug": True}, {"ovs_hybrid_plug": False}
_FORWARDER = "virtio-forwarder"

#: by the os-vif plugin's name, then by the object's class
FORMS: Mapping[str, Mapping[str, Form]] = {
    "ovs": {
        "VIFBridge": Form("ovs", (_OVS,), details=_HYBRID),
        "VIFOpenVSwitch": Form("ovs", (_OVS,), details=_PLAIN),
        "VIFVHostUser": Form("vhostuser", (_OVS,), details={"vhostuser_ovs_plug": True}),
        "VIFHostDevice": Form("ovs", (_OVS, _REPRESENTOR), "direct"),
    },
    "linux_bridge": {"VIFBridge": Form("bridge")},
    "vrouter": {
        "VIFGeneric": Form("vrouter"),
        "VIFHostDevice": Form("vrouter", (_BASE,), "direct"),
        "VIFVHostUser": Form("vrouter", (_BASE,), _FORWARDER),
    },
    "ivs": {
        "VIFBridge": Form("ivs", details=_HYBRID),
        "VIFGeneric": Form("ivs", details=_PLAIN),
    },
    "agilio_ovs": {
        "VIFHostDevice": Form("agilio_ovs", (_OVS, _REPRESENTOR), "direct"),
        "VIFVHostUser": Form("agilio_ovs", (_OVS, _REPRESENTOR), _FORWARDER),
    },
    "vhostuser_fp": {
        "VIFVHostUser": Form(
            "vhostuser", (_FP_OVS, _FP_BRIDGE, _FP_TAP), details={"vhostuser_fp_plug": True}
        ),
    },
    "contrail_vrouter": {
        "VIFVHostUser": Form("vhostuser", details={"vhostuser_vrouter_plug": True}),
    },
    "noop": {
        "VIFVHostUser": Form("vhostuser"),
        "VIFHostDevice": Form("ovs", (_QBG, _QBH), "remote-managed"),
    },
}

_TYPES = {_QBG: "802.1qbg", _QBH: "802.1qbh"}
_DEV_TYPES = {"generic": "direct-physical"}
_QBG_PARAMS = {
    "manager_id": "managerid",
    "type_id": "typeid",
    "type_id_version": "typeidversion",
    "instance_id": "instanceid",
}


def vif(osvif: Any) -> Json:
    """As nova's ``network.model.VIF``. Raises InvalidRequest for what the agent has no form of."""
    form, profile = _form(osvif), _value(osvif, "port_profile")
    details = _details(osvif, profile, form)
    return {
        "id": osvif.id,
        "address": _value(osvif, "address"),
        "network": _network(_value(osvif, "network"), details.get("bridge_name")),
        "type": _TYPES.get(_class(profile), form.vif_type),
        "details": details,
        "devname": _devname(osvif, profile),
        "ovs_interfaceid": _value(profile, "interface_id"),
        "qbh_params": _qbh(profile),
        "qbg_params": _qbg(profile),
        "active": bool(_value(osvif, "active")),
        "vnic_type": _DEV_TYPES.get(_value(osvif, "dev_type") or "", form.vnic_type),
        "profile": _known(pci_slot=_pci_slot(osvif, profile)),
        "preserve_on_delete": bool(_value(osvif, "preserve_on_delete")),
        "delegate_create": bool(_value(profile, "create_port")),
        "meta": {},
    }


def instance(info: Any) -> Json:
    """os-vif's InstanceInfo as nova's names have it; what is not set is left out."""
    return _known(**{name: _value(info, name) for name in ("uuid", "name", "project_id")})


def _form(osvif: Any) -> Form:
    name = _value(osvif, "plugin")
    forms = FORMS.get(name, {})
    if form := forms.get(_class(osvif)):
        return form
    takes = ", ".join(forms) or "nothing, for no sender uses this plugin"
    raise InvalidRequest(f"os-vif object for plugin {name}", _class(osvif), takes)


def _details(osvif: Any, profile: Any, form: Form) -> Json:
    """Neutron's ``binding:vif_details``, as far as os-vif carries them."""
    flags = dict(form.details)
    if _class(profile) == _FP_TAP:  # 6WIND's plugin does nothing for it
        flags["vhostuser_fp_plug"] = False
    if _class(profile) == _FP_OVS:
        hybrid = bool(_value(profile, "hybrid_plug"))
        flags |= {"vhostuser_ovs_plug": True, "ovs_hybrid_plug": hybrid}
    return flags | _known(
        port_filter=_value(osvif, "has_traffic_filtering"),
        bridge_name=_bridge(osvif, profile, flags.get("ovs_hybrid_plug", False)),
        datapath_type=_value(profile, "datapath_type"),
        ovs_create_tap=_value(profile, "create_tap"),
        multiqueue=_value(profile, "multiqueue"),
        profileid=_value(profile, "profile_id"),
        vhostuser_mode=_value(osvif, "mode"),
        vhostuser_socket=_value(osvif, "path"),
        mac_address=_value(profile, "mac_address"),
    )


def _bridge(osvif: Any, profile: Any, hybrid: bool) -> str | None:
    """A hybrid port's own ``bridge_name`` is its qbr; the switch's bridge is the network's."""
    networks: str | None = _value(_value(osvif, "network"), "bridge")
    own = None if hybrid else _value(osvif, "bridge_name") or _value(profile, "bridge_name")
    return own or networks


def _devname(osvif: Any, profile: Any) -> str | None:
    """nova names a representor as it would name the tap."""
    offload = _value(profile, "datapath_offload")
    named: str | None = _value(osvif, "vif_name") or _value(offload, "representor_name")
    return named or _value(profile, "representor_name")


def _pci_slot(osvif: Any, profile: Any) -> str | None:
    offload = _value(profile, "datapath_offload")
    address: str | None = _value(osvif, "dev_address") or _value(offload, "representor_address")
    return address or _value(profile, "representor_address")


def _qbg(profile: Any) -> Json | None:
    if _class(profile) != _QBG:
        return None
    return _known(**{params: _value(profile, field) for field, params in _QBG_PARAMS.items()})


def _qbh(profile: Any) -> Json | None:
    if _class(profile) != _QBH:
        return None
    return _known(profileid=_value(profile, "profile_id"))


def _network(network: Any, bridge: str | None) -> Json:
    meta = _known(
        mtu=_value(network, "mtu"),
        multi_host=_value(network, "multi_host"),
        should_create_bridge=_value(network, "should_provide_bridge"),
        should_create_vlan=_value(network, "should_provide_vlan"),
        vlan=_value(network, "vlan"),
        bridge_interface=_value(network, "bridge_interface"),
    )
    return {
        "id": _value(network, "id"),
        "bridge": bridge,
        "label": _value(network, "label"),
        "subnets": [_subnet(item) for item in _items(_value(network, "subnets"))],
        "meta": meta,
    }


def _subnet(subnet: Any) -> Json:
    cidr = _value(subnet, "cidr")
    return {
        "cidr": _text(cidr),
        "dns": [_ip(address) for address in _value(subnet, "dns") or ()],
        "gateway": _ip(_value(subnet, "gateway")),
        "ips": [_fixed_ip(item) for item in _items(_value(subnet, "ips"))],
        "routes": [_route(item) for item in _items(_value(subnet, "routes"))],
        "version": cidr.version if cidr else None,
        "meta": _known(dhcp_server=_text(_value(subnet, "dhcp_server"))),
    }


def _fixed_ip(fixed: Any) -> Json:
    floating = [_ip(address, "floating") for address in _value(fixed, "floating_ips") or ()]
    return {**(_ip(_value(fixed, "address"), "fixed") or {}), "floating_ips": floating}


def _route(route: Any) -> Json:
    return {
        "cidr": _text(_value(route, "cidr")),
        "gateway": _ip(_value(route, "gateway")),
        "interface": _value(route, "interface"),
        "meta": {},
    }


def _ip(address: Any, kind: str | None = None) -> Json | None:
    if address is None:
        return None
    return {"address": str(address), "type": kind, "version": address.version, "meta": {}}


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _items(collection: Any) -> Any:
    return _value(collection, "objects") or ()


def _known(**values: Any) -> Json:
    return {name: value for name, value in values.items() if value is not None}


def _class(thing: Any) -> str:
    return thing.obj_name() if thing is not None else ""


def _value(thing: Any, name: str) -> Any:
    """None for what is not set. nova also sets attributes that are no fields."""
    if thing is None or (name in thing.fields and not thing.obj_attr_is_set(name)):
        return None
    return getattr(thing, name, None)
