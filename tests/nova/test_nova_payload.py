"""os-vif's object in, the agent's VIF out; and a Neutron port in."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.examples import INSTANCE
from tests.support.osvif_objects import build
from tests.support.osvif_specs import (
    OF_EXAMPLES,
    OTHERS,
    PCI,
    SOCKET,
    Spec,
    instance,
    ovs_multiqueue,
)
from tests.support.real_host import network_types
from vif_agent.errors import InvalidRequest
from vif_agent.nova import payload as made
from vif_agent.nova.neutron import from_neutron_port, instance_of
from vif_agent.plugins.base import Plugin
from vif_agent.plugins.bridge import BridgePlugin
from vif_agent.plugins.ovs import OvsPlugin
from vif_agent.plugins.vhostuser import VhostUserPlugin
from vif_agent.resources import Resource
from vif_agent.vif import parse

Vif = dict[str, Any]
Payload = Callable[[str], Vif]

#: nova 34 makes such objects all the same
pytestmark = pytest.mark.filterwarnings("ignore:Using class 'VIFPortProfileOVSRepresentor'")

#: what neither a port nor an os-vif object tells: the isolation is the configuration's to choose
PLUGINS: dict[str, Plugin] = {
    "ovs": OvsPlugin(isolate="never"),
    "bridge": BridgePlugin(create_tap=True, network_types=network_types()),
    "vhostuser": VhostUserPlugin(isolate="never"),
}
#: of an example's VIF, what no os-vif object carries (docs/nova.md says so)
LOST_DETAILS = {"bound_drivers", "connectivity"}
LOST_META = {"injected", "tenant_id", "physical_network"}
TOLD_ALWAYS = {"multi_host": False, "should_create_bridge": False, "should_create_vlan": False}

_USER = {"vhostuser_mode": "client", "vhostuser_socket": SOCKET, "bridge_name": "br-int"}
_HOST = {"bridge_name": "br-int", "port_filter": False}
_SLOT = {"pci_slot": PCI}
#: type, vnic_type, profile, details
TABLE: dict[str, tuple[str, str, dict[str, str], dict[str, object]]] = {
    "ovs_representor": ("ovs", "direct", _SLOT, _HOST),
    "remote_managed": ("ovs", "remote-managed", _SLOT, _HOST),
    "vrouter": ("vrouter", "normal", {}, _HOST),
    "vrouter_direct": ("vrouter", "direct", _SLOT, _HOST),
    "vrouter_forwarder": ("vrouter", "virtio-forwarder", _SLOT, {**_HOST, **_USER}),
    "ivs": ("ivs", "normal", {}, {**_HOST, "ovs_hybrid_plug": False}),
    "ivs_hybrid": ("ivs", "normal", {}, {**_HOST, "ovs_hybrid_plug": True}),
    "agilio_direct": ("agilio_ovs", "direct", _SLOT, _HOST),
    "agilio_forwarder": ("agilio_ovs", "virtio-forwarder", _SLOT, {**_HOST, **_USER}),
    "fp_ovs": (
        "vhostuser", "normal", {},
        {
            **_HOST, **_USER, "bridge_name": "br-fp", "datapath_type": "netdev",
            "vhostuser_fp_plug": True, "vhostuser_ovs_plug": True, "ovs_hybrid_plug": False,
        },
    ),
    "fp_hybrid": (
        "vhostuser", "normal", {},
        {
            **_HOST, **_USER, "datapath_type": "netdev",
            "vhostuser_fp_plug": True, "vhostuser_ovs_plug": True, "ovs_hybrid_plug": True,
        },
    ),
    "fp_bridge": (
        "vhostuser", "normal", {},
        {**_HOST, **_USER, "bridge_name": "brq1", "vhostuser_fp_plug": True},
    ),
    "fp_tap": (
        "vhostuser", "normal", {},
        {**_HOST, **_USER, "mac_address": "fe:16:3e:00:00:01", "vhostuser_fp_plug": False},
    ),
    "contrail": ("vhostuser", "normal", {}, {**_HOST, **_USER, "vhostuser_vrouter_plug": True}),
    "bare_vhostuser": ("vhostuser", "normal", {}, {**_HOST, **_USER}),
    "qbg": ("802.1qbg", "remote-managed", _SLOT, _HOST),
    "qbh": ("802.1qbh", "remote-managed", _SLOT, {**_HOST, "profileid": "gold"}),
}  # fmt: skip


def resources(vif: Vif) -> tuple[Resource, ...]:
    return tuple(PLUGINS[vif["type"]].resources(parse(INSTANCE, vif)))


def without(values: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}


@pytest.mark.parametrize("name", OF_EXAMPLES)
def test_nothing_is_lost_but_what_osvif_does_not_carry(payload: Payload, name: str) -> None:
    nova, spec = payload(name), OF_EXAMPLES[name](payload(name))
    back = made.vif(build(spec))
    assert json.loads(json.dumps(back)) == back, "only plain JSON may go to the bus"
    same = set(nova) - {"network", "details", "ovs_interfaceid"}
    assert {key: back[key] for key in same} == {key: nova[key] for key in same}
    reported = without(nova["details"], LOST_DETAILS)
    assert {key: back["details"].get(key) for key in reported} == reported
    network, was = back["network"], nova["network"]
    assert without(network, {"meta"}) == without(was, {"meta"})
    meta = {**TOLD_ALWAYS, **without(was["meta"], LOST_META)}
    assert network["meta"] == {**meta, **({"vlan": 101} if "vlan" in meta else {})}


@pytest.mark.parametrize("name", OF_EXAMPLES)
def test_plugins_answer_as_to_novas_own_vif(payload: Payload, name: str) -> None:
    back = made.vif(build(OF_EXAMPLES[name](payload(name))))
    assert resources(back) == resources(payload(name))


def test_multiqueue_of_the_flavor_reaches_the_tap(payload: Payload) -> None:
    nova = payload("ovs_create_tap")
    back = made.vif(build(ovs_multiqueue(nova)))
    nova["details"]["multiqueue"] = True
    assert resources(back) == resources(nova)


@pytest.mark.parametrize("name", OTHERS)
def test_every_other_form(payload: Payload, name: str) -> None:
    nova = payload("ovs")
    back = made.vif(build(OTHERS[name](nova)))
    vif_type, vnic_type, profile, details = TABLE[name]
    assert (back["type"], back["vnic_type"], back["profile"]) == (vif_type, vnic_type, profile)
    defaults = {"ovs_create_tap": False, "multiqueue": False}
    assert without(back["details"], set(defaults)) == {"port_filter": False, **details}
    expected = (
        None if name in ("qbg", "qbh") else "tap1" if name == "ivs_hybrid" else "tap7181b049-88"
    )
    assert back["devname"] == expected
    assert parse(INSTANCE, back).vif_type == vif_type


def test_whole_physical_function(payload: Payload) -> None:
    spec = OTHERS["agilio_direct"](payload("ovs")) | {"dev_type": "generic"}
    assert made.vif(build(spec))["vnic_type"] == "direct-physical"


def test_virtual_port_parameters(payload: Payload) -> None:
    qbg, qbh = (made.vif(build(OTHERS[name](payload("ovs")))) for name in ("qbg", "qbh"))
    instanceid = "7181b049-88fe-58c4-ad88-63316f977d48"
    params = {"managerid": 8, "typeid": 1, "typeidversion": 2, "instanceid": instanceid}
    assert (qbg["qbg_params"], qbg["qbh_params"]) == (params, None)
    assert (qbh["qbg_params"], qbh["qbh_params"]) == (None, {"profileid": "gold"})


@pytest.mark.parametrize("name", [*OF_EXAMPLES, *OTHERS])
def test_fields_that_are_not_set_do_not_raise(name: str) -> None:
    """As a sender that is not nova may leave them: only id and plugin are there."""
    form = {**OF_EXAMPLES, **OTHERS}[name]
    spec = form(json.loads(json.dumps(_BARE)))
    bare: Spec = {key: spec[key] for key in ("class", "id", "plugin")}
    back = made.vif(build(bare))
    assert (back["id"], back["devname"]) == (_BARE["id"], None)
    profile = {"class": spec.get("port_profile", {}).get("class", "VIFPortProfileBase")}
    assert made.vif(build({**bare, "port_profile": profile}))["type"]


def test_routes_and_floating_addresses(payload: Payload) -> None:
    spec = OF_EXAMPLES["ovs"](payload("ovs"))
    subnet = spec["network"]["subnets"]["objects"][0]
    subnet["ips"]["objects"][0]["floating_ips"] = ["203.0.113.9"]
    route = {"class": "Route", "cidr": "10.0.0.0/8", "gateway": "192.0.2.254"}
    subnet["routes"]["objects"] = [route]
    back = made.vif(build(spec))["network"]["subnets"][0]
    gateway: Vif = {"address": "192.0.2.254", "type": None, "version": 4, "meta": {}}
    floating: Vif = {"address": "203.0.113.9", "type": "floating", "version": 4, "meta": {}}
    routes = [{"cidr": "10.0.0.0/8", "gateway": gateway, "interface": None, "meta": {}}]
    assert back["routes"] == routes
    assert back["ips"][0]["floating_ips"] == [floating]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"class": "VIFDirect", "plugin": "ovs"}, "plugin ovs: expected VIFBridge, .*'VIFDirect'"),
        ({"class": "VIFNestedDPDK", "plugin": "noop"}, "VIFNestedDPDK"),
        ({"class": "VIFBridge", "plugin": "acme"}, "plugin acme: expected nothing"),
        ({"class": "VIFBridge"}, "plugin None"),
    ],
)
def test_what_has_no_form_is_refused(spec: Spec, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        made.vif(build({**spec, "id": _BARE["id"]}))


def test_instance(payload: Payload) -> None:
    assert made.instance(build(instance())) == INSTANCE
    short = {"class": "InstanceInfo", "uuid": INSTANCE["uuid"], "name": "a"}
    assert made.instance(build(short)) == {"uuid": INSTANCE["uuid"], "name": "a"}


_BARE: Vif = {
    "id": "7181b049-88fe-58c4-ad88-63316f977d48",
    "address": None,
    "devname": "tap0",
    "active": False,
    "preserve_on_delete": False,
    "delegate_create": False,
    "ovs_interfaceid": "7181b049-88fe-58c4-ad88-63316f977d48",
    "details": {"datapath_type": "system"},
    "network": {"id": "", "label": "", "bridge": None, "meta": {"mtu": 0}, "subnets": []},
}


def neutron_port(vif: Vif) -> dict[str, Any]:
    """The port that nova made this VIF of."""
    ips = [ip["address"] for subnet in vif["network"]["subnets"] for ip in subnet["ips"]]
    return {
        "id": vif["id"],
        "mac_address": vif["address"],
        "network_id": vif["network"]["id"],
        "tenant_id": "7b1f6f0f3c4e4a7f9d7d3a4b5c6d7e8f",
        "device_id": INSTANCE["uuid"],
        "admin_state_up": True,
        "status": "DOWN",
        "fixed_ips": [{"subnet_id": str(n), "ip_address": ip} for n, ip in enumerate(ips)],
        "binding:host_id": "compute-1",
        "binding:vif_type": vif["type"],
        "binding:vif_details": vif["details"],
        "binding:vnic_type": vif["vnic_type"],
        "binding:profile": vif["profile"],
    }


@pytest.mark.parametrize("name", ["ovs", "ovs_create_tap", "ovs_hybrid", "bridge", "tap"])
def test_neutron_port_becomes_novas_vif(payload: Payload, name: str) -> None:
    """All that the agent reads of it."""
    nova = payload(name)
    network = {"id": nova["network"]["id"], "name": "a", "mtu": nova["network"]["meta"]["mtu"]}
    back = from_neutron_port(neutron_port(nova), network)
    assert json.loads(json.dumps(back)) == back
    if name == "ovs_create_tap":
        assert back["network"]["bridge"] == "br-int"
    instance = {**INSTANCE, "uuid": neutron_port(nova)["device_id"]}
    assert parse(instance, back) == parse(INSTANCE, nova)
    if nova["type"] in PLUGINS:
        assert resources(back) == resources(nova)


@pytest.mark.parametrize("name", ["bridge_flat", "bridge_vxlan"])
def test_neutron_network_says_its_segment(payload: Payload, name: str) -> None:
    """The shipped payloads are what is made of these."""
    vif = payload(name)
    meta = vif["network"]["meta"]
    text = ("network_type", "physical_network", "segmentation_id")
    network = {
        "id": vif["network"]["id"],
        "name": vif["network"]["label"],
        "mtu": meta["mtu"],
        **{f"provider:{field}": meta.get(field) for field in text},
    }
    port = {**neutron_port(vif), "tenant_id": meta["tenant_id"]}
    assert from_neutron_port(port, network)["network"]["meta"] == meta


@pytest.mark.parametrize("name", ["bridge", "ovs", "hw_veb_direct"])
def test_neutron_port_says_which_addresses_it_may_use(payload: Payload, name: str) -> None:
    port = neutron_port(payload(name))
    pairs = [{"ip_address": "192.0.2.5", "mac_address": "00:00:5e:00:01:0a"}]
    back = from_neutron_port(
        {**port, "port_security_enabled": False, "allowed_address_pairs": pairs}
    )
    vif = parse(INSTANCE, back)
    assert (vif.port_security, vif.address_pairs) == (
        False, (("00:00:5e:00:01:0a", "192.0.2.5/32"),),
    )  # fmt: skip
    assert parse(INSTANCE, from_neutron_port(port)).address_pairs is None


def test_neutron_port_without_its_network(payload: Payload) -> None:
    back = from_neutron_port({**neutron_port(payload("ovs")), "mtu": 1400})
    assert back["network"]["meta"]["mtu"] == 1400
    addresses = [ip["address"] for s in back["network"]["subnets"] for ip in s["ips"]]
    assert addresses == ["192.0.2.17", "2001:db8:1::17"]


def test_neutron_port_as_a_user_sees_it(payload: Payload) -> None:
    port = neutron_port(payload("ovs"))
    seen = {name: value for name, value in port.items() if not name.startswith("binding:")}
    with pytest.raises(InvalidRequest, match=r"port\.binding:vif_type: expected a port as Neutron"):
        from_neutron_port(seen)


@pytest.mark.parametrize(
    ("owner", "names"),
    [("network:dhcp", ["ovs", "bridge"]), ("network:router_interface_distributed", ["ovs"]),
     ("trunk:subport", ["ovs", "bridge", "tap"])],
)  # fmt: skip
def test_neutron_port_that_neutron_plugs_is_refused(
    payload: Payload, owner: str, names: list[str]
) -> None:
    for name in names:
        with pytest.raises(InvalidRequest, match=rf"port\.device_owner: .* plug, got '{owner}'"):
            from_neutron_port({**neutron_port(payload(name)), "device_owner": owner})


@pytest.mark.parametrize("owner", ["network:dhcp", "network:router_gateway"])
def test_neutron_port_of_its_own_is_wired_where_it_is_a_tap(payload: Payload, owner: str) -> None:
    device_id = "dhcp5c5c2b4b-0f62-5a29-8d4b-6d2d6b3a8a0e-1c8cfd37"  # no UUID
    port = {**neutron_port(payload("tap")), "device_owner": owner, "device_id": device_id}
    vif = parse(instance_of(port), from_neutron_port(port))
    assert (vif.vif_type, vif.device_owner, vif.instance_uuid) == ("tap", owner, None)


def test_guests_owner_is_not_told(payload: Payload) -> None:
    port = {**neutron_port(payload("tap")), "device_owner": "compute:nova"}
    vif = parse(instance_of(port), from_neutron_port(port))
    assert (vif.device_owner, vif.instance_uuid) == (None, INSTANCE["uuid"])
