"""A port as Neutron's API returns it becomes the agent's VIF. Needs no os-vif and no nova."""

from collections.abc import Iterable, Mapping
from typing import Any

from vif_agent.errors import InvalidRequest

Json = dict[str, Any]

_NAME_LENGTH = 14  # of devices and bridges, as nova cuts them
_OVS_TYPES = ("ovs", "agilio_ovs")
#: of ports of Neutron's own: DHCP's and routers'; a trunk's subports
_SERVICES, _SUBPORTS = "network:", "trunk:"
#: what a card is told of a port's VF, beside MAC and VLAN
_OF_A_VF = ("admin_state_up", "propagate_uplink_status")
#: what a firewall driver is told of the addresses that a guest may use, beside its fixed ones
_OF_A_GUARD = ("port_security_enabled", "allowed_address_pairs")


def from_neutron_port(port: Mapping[str, Any], network: Mapping[str, Any] | None = None) -> Json:
    """``vif`` for ``VifAgentAPI.plug_vif``; its ``instance`` is ``instance_of(port)``.

    ``port`` must be as an administrator sees it: others are not shown the binding. ``network`` is
    the port's, for its MTU, name and segment. Raises InvalidRequest, also for a port that Neutron's
    agents plug themselves: those of DHCP and of routers, unless they are bound as ``tap``, and a
    trunk's subports.
    """
    vif_type = _need(port, "binding:vif_type")
    _must_be_ours(port, vif_type)
    details = dict(port.get("binding:vif_details") or {})
    on_switch = vif_type in _OVS_TYPES or bool(details.get("vhostuser_ovs_plug"))
    return {
        "id": _need(port, "id"),
        "address": _need(port, "mac_address"),
        "network": _network(port, network or {}, _bridge(port, details, on_switch)),
        "type": vif_type,
        "details": details,
        "devname": ("tap" + port["id"])[:_NAME_LENGTH],
        "ovs_interfaceid": port["id"] if on_switch else None,
        "qbh_params": None,
        "qbg_params": None,
        "active": port.get("admin_state_up") is False or port.get("status") == "ACTIVE",
        "vnic_type": port.get("binding:vnic_type") or "normal",
        "profile": dict(port.get("binding:profile") or {}),
        "preserve_on_delete": False,
        "delegate_create": True,
        "meta": _meta(port, (*_OF_A_GUARD, *(_OF_A_VF if vif_type == "hw_veb" else ()))),
    }


def instance_of(port: Mapping[str, Any]) -> Json:
    """``instance`` for ``VifAgentAPI.plug_vif``: empty for a port of Neutron's own, whose
    ``device_id`` is that of a router, or no UUID at all."""
    return {} if _is_services(port) else {"uuid": port.get("device_id") or None}


def _is_services(port: Mapping[str, Any]) -> bool:
    return str(port.get("device_owner") or "").startswith(_SERVICES)


def _must_be_ours(port: Mapping[str, Any], vif_type: str) -> None:
    """Neutron's agents make the tap of a service, too, where it is left to us to wire taps."""
    owner = port.get("device_owner")
    others = (_SERVICES, _SUBPORTS) if vif_type != "tap" else _SUBPORTS
    if str(owner or "").startswith(others):
        expected = "a guest's port, not one that Neutron's agents plug"
        raise InvalidRequest("port.device_owner", owner, expected)


def _meta(port: Mapping[str, Any], names: Iterable[str]) -> Json:
    """Whose it is only of Neutron's own: a guest's may change, and says nothing to us."""
    owner = ("device_owner",) if _is_services(port) else ()
    return {name: port[name] for name in (*names, *owner) if port.get(name) is not None}


def _need(port: Mapping[str, Any], field: str) -> Any:
    if not port.get(field):
        raise InvalidRequest(
            f"port.{field}", port.get(field), "a port as Neutron shows it to an administrator"
        )
    return port[field]


def _bridge(port: Mapping[str, Any], details: Json, on_switch: bool) -> str | None:
    """Without a name the agent takes its own integration bridge for OVS."""
    name: str | None = details.get("bridge_name")
    networks_own = port.get("binding:vif_type") == "bridge" or details.get("vhostuser_fp_plug")
    if not name and networks_own and not on_switch:
        name = "brq" + _need(port, "network_id")
    return name[:_NAME_LENGTH] if name else None


def _network(port: Mapping[str, Any], network: Mapping[str, Any], bridge: str | None) -> Json:
    meta = {
        "mtu": network.get("mtu") or port.get("mtu"),
        "tenant_id": network.get("tenant_id") or port.get("tenant_id"),
        "network_type": network.get("provider:network_type"),
        "physical_network": network.get("provider:physical_network"),
        "segmentation_id": network.get("provider:segmentation_id"),
    }
    return {
        "id": port.get("network_id"),
        "bridge": bridge,
        "label": network.get("name"),
        "subnets": _subnets(port.get("fixed_ips") or ()),
        "meta": {name: value for name, value in meta.items() if value is not None},
    }


def _subnets(fixed_ips: Any) -> list[Json]:
    """The port names its subnets and no more: their addresses are all there is to tell."""
    subnets: dict[str, Json] = {}
    for fixed in fixed_ips:
        version = 6 if ":" in fixed["ip_address"] else 4
        empty: Json = {"cidr": None, "dns": [], "gateway": None, "ips": [], "routes": []}
        subnet = subnets.setdefault(fixed["subnet_id"], {**empty, "version": version, "meta": {}})
        address = {"address": fixed["ip_address"], "type": "fixed", "version": version}
        subnet["ips"].append({**address, "floating_ips": [], "meta": {}})
    return list(subnets.values())
