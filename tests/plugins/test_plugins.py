"""A table per vif_type: VIF in, resources out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.answered import answered, changed
from tests.support.examples import INSTANCE
from tests.support.real_host import network_types
from vif_agent.errors import BindingRefused, InvalidRequest
from vif_agent.network_types.loader import NetworkTypes
from vif_agent.plugins.base import Plugin
from vif_agent.plugins.bridge import BridgePlugin
from vif_agent.plugins.noop import NoopPlugin
from vif_agent.plugins.ovs import OvsPlugin
from vif_agent.plugins.refused import BindingFailedPlugin, UnboundPlugin
from vif_agent.plugins.tap import TapPlugin
from vif_agent.plugins.vhostuser import VhostUserPlugin
from vif_agent.resources import Bridge, Device, OvsBridge, OvsPort, Resource, Tap, Veth, Vlan
from vif_agent.vif import Vif, parse

Payload = Callable[[str], dict[str, Any]]

INT = OvsBridge(name="br-int", shared=True, datapath_type="system", secure=True)
DIRECT = "tap7181b049-88"
TAP = Tap(
    name=DIRECT,
    mac="fa:16:3e:5a:00:01",
    mtu=1450,
    multi_queue=False,
    disable_ipv6=True,
    up=True,
    master="",
)
PORT = OvsPort(
    name=DIRECT,
    bridge="br-int",
    external_ids=(
        ("attached-mac", "fa:16:3e:5a:00:01"),
        ("iface-id", "7181b049-88fe-58c4-ad88-63316f977d48"),
        ("iface-status", "active"),
        ("vm-uuid", INSTANCE["uuid"]),
    ),
    mtu_request=1450,
    qos_type="linux-noop",
    isolate=True,
    wait_ofport=False,
)
OURS = dataclasses.replace(PORT, wait_ofport=True)
SHORT, VIF_ID = "7181b049-88", "7181b049-88fe-58c4-ad88-63316f977d48"
HYBRID: tuple[Resource, ...] = (
    INT,
    Bridge(
        name="qbr" + SHORT, mtu=1450, forward_delay=0, ageing=0, stp=False, mcast_snooping=False,
        disable_ipv6=True, arp_ignore=1, arp_announce=2, up=True,
    ),
    Veth(
        name="qvb" + SHORT, peer="qvo" + SHORT, master="qbr" + SHORT, mtu=1450, promisc=True,
        disable_ipv6=True, up=True,
    ),
    Veth(
        name="qvo" + SHORT, peer="qvb" + SHORT, master="", mtu=1450, promisc=True,
        disable_ipv6=True,
    ),
    dataclasses.replace(OURS, name="qvo" + SHORT),
)  # fmt: skip
BRQ = Bridge(
    name="brq7151fa78-2a", shared=True, mtu=1500, forward_delay=0, stp=False, mcast_snooping=False,
    disable_ipv6=True, arp_ignore=1, arp_announce=2, up=True,
)  # fmt: skip
BRIDGE_TAP = Tap(
    name="tapcb0042fb-c1", mac="fe:16:3e:5a:00:04", mtu=1500, master=BRQ.name, multi_queue=False,
    disable_ipv6=True, up=True,
)  # fmt: skip
VLAN = Vlan(
    name="vlan101", shared=True, parent="eth1", vid=101, master="brq0ff69128-68", mtu=1500,
    disable_ipv6=True, up=True,
)  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "fields", "expected"),
    [
        ({}, {}, (INT, PORT)),
        ({}, {"create_tap": True}, (INT, TAP, OURS)),
        ({"create_tap": "always"}, {}, (INT, TAP, OURS)),
        ({"create_tap": "never"}, {"create_tap": True}, (INT, PORT)),
        ({}, {"hybrid": True}, HYBRID),
        ({"create_tap": "always"}, {"hybrid": True, "create_tap": True}, HYBRID),
        ({"isolate": "never"}, {}, (INT, changed(PORT, isolate=False))),
        ({}, {"bound_drivers": ("ovn",)}, (INT, changed(PORT, isolate=False))),
        ({}, {"bound_drivers": ()}, (INT, changed(PORT, isolate=False))),
        ({"isolate": "always"}, {"bound_drivers": ("ovn",)}, (INT, PORT)),
        ({}, {"mtu": None}, (INT, changed(PORT, mtu_request=None))),
        ({"default_qos_type": ""}, {}, (INT, changed(PORT, qos_type=None))),
        ({"default_qos_type": "linux-htb"}, {}, (INT, changed(PORT, qos_type="linux-htb"))),
        ({}, {"instance_uuid": None},
         (INT, changed(PORT, external_ids=PORT.external_ids[:3]))),
        ({}, {"devname": None}, (INT, PORT)),
        ({}, {"devname": "vnet3"}, (INT, changed(PORT, name="vnet3"))),
        ({}, {"create_tap": True, "multi_queue": True},
         (INT, changed(TAP, multi_queue=True), OURS)),
        ({}, {"datapath_type": None}, (changed(INT, datapath_type=None), PORT)),
        ({}, {"datapath_type": "netdev"},
         (changed(INT, datapath_type="netdev"), changed(PORT, qos_type=None))),
        ({}, {"vnic_type": "remote-managed"}, ()),
        ({"per_port_bridge": True}, {"vnic_type": "remote-managed"}, ()),
        ({"integration_bridge": "br-x"}, {"bridge": None},
         (changed(INT, name="br-x"), changed(PORT, bridge="br-x"))),
    ],
)  # fmt: skip
def test_ovs_vif_gives_these_resources(
    payload: Payload,
    settings: dict[str, Any],
    fields: dict[str, Any],
    expected: tuple[Resource, ...],
) -> None:
    assert answered(OvsPlugin(**settings), payload("ovs"), **fields) == expected


OWN, IBP, PBP = "pb" + VIF_ID[:12], "ibp" + VIF_ID, "pbp" + VIF_ID
OWN_TAP = changed(PORT, bridge=OWN, external_ids=(), isolate=False)
OWN_BRIDGE: tuple[Resource, ...] = (
    OvsBridge(name=OWN, datapath_type="system"),
    OWN_TAP,
    OvsPort(name=PBP, bridge=OWN, interface_type="patch", options=(("peer", IBP),)),
    OvsPort(
        name=IBP,
        bridge="br-int",
        interface_type="patch",
        options=(("peer", PBP),),
        external_ids=PORT.external_ids,
        isolate=True,
    ),
)


def _own(own: dict[str, Any], tap: dict[str, Any], end: dict[str, Any]) -> tuple[Resource, ...]:
    """As OWN_BRIDGE, but for these fields."""
    bridge, port, patch, outer = OWN_BRIDGE
    return (changed(bridge, **own), changed(port, **tap), patch, changed(outer, **end))


@pytest.mark.parametrize(
    ("settings", "fields", "expected"),
    [
        ({}, {}, (INT, *OWN_BRIDGE)),
        ({}, {"create_tap": True}, (INT, TAP, *_own({}, {"wait_ofport": True}, {}))),
        ({}, {"hybrid": True}, HYBRID),
        ({"isolate": "never"}, {}, (INT, *_own({}, {}, {"isolate": False}))),
        ({"default_qos_type": ""}, {}, (INT, *_own({}, {"qos_type": None}, {}))),
        ({}, {"mtu": None}, (INT, *_own({}, {"mtu_request": None}, {}))),
        ({}, {"datapath_type": "netdev"},
         (changed(INT, datapath_type="netdev"),
          *_own({"datapath_type": "netdev"}, {"qos_type": None}, {}))),
        ({}, {"bridge": "tbr-12345678-1"},
         (changed(INT, name="tbr-12345678-1", shared=False, secure=False),
          *_own({}, {}, {"bridge": "tbr-12345678-1", "isolate": False, "external_ids": tuple(
              sorted((*PORT.external_ids, ("bridge_name", "tbr-12345678-1"))))}))),
    ],
)  # fmt: skip
def test_ovs_vif_with_a_bridge_of_its_own(
    payload: Payload,
    settings: dict[str, Any],
    fields: dict[str, Any],
    expected: tuple[Resource, ...],
) -> None:
    plugin = OvsPlugin(per_port_bridge=True, **settings)
    assert answered(plugin, payload("ovs"), **fields) == expected


@pytest.mark.parametrize("isolate", ["auto", "always", "never"])
def test_ovs_port_on_a_trunk_bridge_is_never_isolated(payload: Payload, isolate: str) -> None:
    """And names the bridge, for Neutron's clean-up of the trunk."""
    bridge = "tbr-12345678-1"
    answer = answered(OvsPlugin(isolate=isolate), payload("ovs"), bridge=bridge)
    ids = tuple(sorted((*PORT.external_ids, ("bridge_name", bridge))))
    assert answer == (
        changed(INT, name=bridge, shared=False, secure=False),
        changed(PORT, bridge=bridge, isolate=False, external_ids=ids),
    )


@pytest.mark.parametrize(
    ("create_tap", "name", "fields", "expected"),
    [
        (False, "bridge", {}, (BRQ,)),
        (True, "bridge", {}, (BRQ, BRIDGE_TAP)),
        (True, "bridge", {"multi_queue": True}, (BRQ, changed(BRIDGE_TAP, multi_queue=True))),
        (True, "bridge", {"devname": None}, (BRQ, BRIDGE_TAP)),
        (False, "bridge", {"mtu": None}, (changed(BRQ, mtu=None),)),
        (False, "bridge", {"bridge": None}, (BRQ,)),
        (False, "bridge", {"bridge": "fifteen-letters"}, (changed(BRQ, name="fifteen-letter"),)),
        (False, "bridge_vlan", {}, (changed(BRQ, name="brq0ff69128-68"), VLAN)),
        (
            False,
            "bridge_vlan",
            {"mtu": None},
            (changed(BRQ, name="brq0ff69128-68", mtu=None), changed(VLAN, mtu=None)),
        ),
    ],
)
def test_bridge_vif_gives_these_resources(
    payload: Payload,
    create_tap: bool,
    name: str,
    fields: dict[str, Any],
    expected: tuple[Resource, ...],
) -> None:
    assert answered(BridgePlugin(create_tap, network_types()), payload(name), **fields) == expected


@pytest.mark.parametrize(
    ("name", "fields", "field"),
    [
        ("bridge", {"bridge": None, "network_id": None}, "vif.network.bridge"),
        ("bridge_vlan", {"vlan": None}, "vif.network.meta.vlan"),
        ("bridge_vlan", {"vlan": 0}, "vif.network.meta.vlan"),
        (
            "bridge_vlan",
            {"bridge_interface": None, "physical_network": None},
            "vif.network.meta.bridge_interface",
        ),
    ],
)
def test_bridge_vif_that_says_too_little_is_refused(
    payload: Payload, name: str, fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        answered(BridgePlugin(network_types=network_types()), payload(name), **fields)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("fields", "changes"),
    [
        ({}, {}),
        ({"tap_mac": "fe:00:00:00:00:01"}, {"mac": "fe:00:00:00:00:01"}),
        ({"tap_mac": None, "mac": "02:16:3e:00:00:07"}, {"mac": "fe:16:3e:00:00:07"}),
        ({"mtu": None}, {"mtu": None}),
        ({"multi_queue": True}, {"multi_queue": True}),
        ({"devname": None}, {}),
    ],
)
def test_tap_vif_gives_a_tap(
    payload: Payload, fields: dict[str, Any], changes: dict[str, Any]
) -> None:
    tap = Tap(name="tapb6e7684a-d2", mac="fe:16:3e:5a:00:06", mtu=1450, multi_queue=False, up=True)
    assert answered(TapPlugin(), payload("tap"), **fields) == (changed(tap, **changes),)


def test_tap_that_nova_makes_is_put_into_its_networks_bridge(payload: Payload) -> None:
    raw = payload("tap")
    mtu = raw["network"]["meta"]["mtu"]
    name = "brq" + raw["network"]["id"][:11]
    wired = Device(
        name=raw["devname"],
        mac="fe" + raw["address"][2:],
        mtu=mtu,
        master=name,
        disable_ipv6=True,
        by_sender=True,
    )
    assert answered(TapPlugin(BridgePlugin()), raw) == (changed(BRQ, name=name, mtu=mtu), wired)
    left = wired.restored()
    assert left == Device(name=raw["devname"], master="", only_if=(("master", name),))


FLAT = {"network_type": "flat", "physical_network": "physnet1"}
MAPPED = NetworkTypes(bridges={"physnet1": "br-ex"})
EX = Device(name="br-ex", shared=True, up=True)


def test_operators_bridge_takes_the_ports_of_its_flat_network(payload: Payload) -> None:
    plugin, raw = BridgePlugin(create_tap=True, network_types=MAPPED), payload("bridge")
    assert answered(plugin, raw, **FLAT) == (EX, changed(BRIDGE_TAP, master="br-ex"))
    bridge, tap = answered(TapPlugin(plugin), payload("tap"), **FLAT)
    assert (bridge, getattr(tap, "master", "")) == (EX, "br-ex")
    assert EX.restored() is None


def test_operators_bridge_must_be_where_libvirt_puts_the_tap(payload: Payload) -> None:
    plugin, raw = BridgePlugin(network_types=MAPPED), payload("bridge")
    assert answered(plugin, raw, **FLAT, bridge="br-ex") == (EX,)
    with pytest.raises(
        InvalidRequest, match=r"br-ex, as \[network\] bridge_mappings says"
    ) as refused:
        answered(plugin, raw, **FLAT)
    assert refused.value.field == "vif.network.bridge"


@pytest.mark.parametrize(
    ("plugin", "name"), [(BindingFailedPlugin(), "binding_failed"), (UnboundPlugin(), "unbound")]
)
def test_unbound_vif_is_refused(payload: Payload, plugin: Plugin, name: str) -> None:
    vif: Vif = parse(INSTANCE, payload(name))
    with pytest.raises(BindingRefused, match=rf"^vif\.type: {name}: "):
        plugin.resources(vif)


VHU = "vhu7036e6bb-59"
USER_PORT = OvsPort(
    name=VHU,
    bridge="br-int",
    interface_type="dpdkvhostuserclient",
    options=(("vhost-server-path", "/var/run/openvswitch/" + VHU),),
    external_ids=(
        ("attached-mac", "fa:16:3e:5a:00:08"),
        ("iface-id", "7036e6bb-5901-5eaa-b804-e0b5c5cfe9c5"),
        ("iface-status", "active"),
        ("vm-uuid", INSTANCE["uuid"]),
    ),
    mtu_request=1450,
    error_is_final=True,
)
USER_INT = OvsBridge(name="br-int", shared=True, datapath_type="netdev", secure=True)
OTHER_SOCKET = (("vhost-server-path", "/run/vhu"),)


@pytest.mark.parametrize(
    ("settings", "fields", "expected"),
    [
        ({}, {}, (USER_INT, USER_PORT)),
        ({}, {"vhostuser_mode": "client"},
         (USER_INT, changed(USER_PORT, interface_type="dpdkvhostuser", options=None))),
        ({}, {"vhostuser_mode": "client", "vhostuser_socket": None},
         (USER_INT, changed(USER_PORT, interface_type="dpdkvhostuser", options=None))),
        ({}, {"vhostuser_socket": "/run/vhu"},
         (USER_INT, changed(USER_PORT, options=OTHER_SOCKET))),
        ({}, {"datapath_type": None}, (USER_INT, USER_PORT)),
        ({}, {"datapath_type": "system"},
         (changed(USER_INT, datapath_type="system"), USER_PORT)),
        ({}, {"devname": "vnet3"}, (USER_INT, USER_PORT)),
        ({}, {"mtu": None}, (USER_INT, changed(USER_PORT, mtu_request=None))),
        ({}, {"bound_drivers": ("openvswitch",)},
         (USER_INT, changed(USER_PORT, isolate=True))),
        ({"isolate": "always"}, {}, (USER_INT, changed(USER_PORT, isolate=True))),
        ({"isolate": "always"}, {"bridge": "tbr-1"},
         (changed(USER_INT, name="tbr-1", shared=False, secure=False),
          changed(USER_PORT, bridge="tbr-1", external_ids=tuple(
              sorted((*USER_PORT.external_ids, ("bridge_name", "tbr-1"))))))),
        ({"integration_bridge": "br-x"}, {"bridge": None},
         (changed(USER_INT, name="br-x"), changed(USER_PORT, bridge="br-x"))),
    ],
)  # fmt: skip
def test_vhostuser_vif_gives_a_port_of_open_vswitch(
    payload: Payload,
    settings: dict[str, Any],
    fields: dict[str, Any],
    expected: tuple[Resource, ...],
) -> None:
    assert answered(VhostUserPlugin(**settings), payload("vhostuser_ovs"), **fields) == expected


@pytest.mark.parametrize("details", [{}, {"vhostuser_ovs_plug": False}])
def test_bare_vhostuser_vif_needs_nothing_of_this_host(
    payload: Payload, details: dict[str, Any]
) -> None:
    vif = payload("vhostuser_bare")
    vif["details"] |= details
    assert answered(VhostUserPlugin(), vif) == ()


@pytest.mark.parametrize(
    ("field", "value"), [("vhostuser_ovs_plug", "yes"), ("vhostuser_socket", None)]
)
def test_vhostuser_vif_that_says_too_little_is_refused(
    payload: Payload, field: str, value: object
) -> None:
    vif = payload("vhostuser_ovs")
    vif["details"][field] = value
    with pytest.raises(InvalidRequest) as refused:
        answered(VhostUserPlugin(), vif)
    assert refused.value.field == f"vif.details.{field}"


@pytest.mark.parametrize("name", ["hostdev_physical", "802.1qbg", "802.1qbh", "noop"])
def test_vif_that_others_plug_needs_nothing(payload: Payload, name: str) -> None:
    assert answered(NoopPlugin(), payload(name)) == ()
