"""The door: every shipped payload becomes the right Vif, every bad one names its field."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.examples import INSTANCE
from vif_agent.errors import InvalidRequest
from vif_agent.vif import Vif, freeze, parse, port_id_of

Payload = Callable[[str], dict[str, Any]]

#: what differs between the payloads; the rest is checked for all
PARSED: dict[str, dict[str, Any]] = {
    "binding_failed": {"vif_type": "binding_failed"},
    "bridge": {"vif_type": "bridge", "bridge": "brq7151fa78-2a", "mtu": 1500},
    "bridge_flat": {
        "vif_type": "bridge", "bridge": "brqdb114fec-60", "mtu": 1500, "network_type": "flat",
        "physical_network": "physnet1",
    },
    "bridge_vxlan": {
        "vif_type": "bridge", "bridge": "brq3b4fe499-dc", "network_type": "vxlan",
        "segmentation_id": 70007,
    },
    "bridge_vlan": {
        "vif_type": "bridge", "bridge": "brq0ff69128-68", "mtu": 1500, "vlan": 101,
        "bridge_interface": "eth1", "physical_network": "physnet1", "should_create_vlan": True,
    },
    "hostdev_physical": {
        "vif_type": "hostdev_physical", "vnic_type": "direct-physical", "pci_slot": "0000:04:00.0",
    },
    "hw_veb_direct": {
        "vif_type": "hw_veb", "vnic_type": "direct", "vlan": 103, "pci_slot": "0000:03:10.1",
        "trusted": True,
    },
    "hw_veb_macvtap": {
        "vif_type": "hw_veb", "vnic_type": "macvtap", "vlan": 104, "pci_slot": "0000:03:10.2",
    },
    "macvtap": {"vif_type": "macvtap", "vlan": 102},
    "midonet": {"vif_type": "midonet"},
    "ib_hostdev": {
        "vif_type": "ib_hostdev", "vnic_type": "direct", "vlan": 103, "pci_slot": "0000:03:10.3",
        "physical_network": "ibfabric1",
    },
    "ovs": {
        "vif_type": "ovs", "bridge": "br-int", "datapath_type": "system",
        "bound_drivers": ("openvswitch",),
    },
    "ovs_create_tap": {
        "vif_type": "ovs", "bridge": "br-int", "datapath_type": "system", "create_tap": True,
        "bound_drivers": ("ovn",),
    },
    "ovs_hybrid": {
        "vif_type": "ovs", "bridge": "br-int", "datapath_type": "system", "hybrid": True,
        "bound_drivers": ("openvswitch",),
    },
    "tap": {"vif_type": "tap", "tap_mac": "fe:16:3e:5a:00:06"},
    "unbound": {"vif_type": "unbound"},
    "802.1qbg": {"vif_type": "802.1qbg"},
    "802.1qbh": {"vif_type": "802.1qbh", "vnic_type": "direct", "pci_slot": "0000:0a:00.1"},
    "noop": {"vif_type": "noop"},
    "ovs_remote_managed": {
        "vif_type": "ovs", "vnic_type": "remote-managed", "bridge": "br-int",
        "datapath_type": "system", "bound_drivers": ("ovn",), "pci_slot": "0000:82:00.4",
    },
    "vhostuser_bare": {
        "vif_type": "vhostuser", "vhostuser_socket": "/run/vpp/vhu02e694cc-49",
    },
    "vhostuser_ovs": {
        "vif_type": "vhostuser", "bridge": "br-int", "datapath_type": "netdev",
        "vhostuser_socket": "/var/run/openvswitch/vhu7036e6bb-59",
    },
    "vhostuser_ovs_client": {
        "vif_type": "vhostuser", "bridge": "br-int", "datapath_type": "netdev",
        "vhostuser_mode": "client", "vhostuser_socket": "/var/run/openvswitch/vhu451ddd31-06",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", PARSED)
def test_vif_of_a_shipped_payload_is_whole(payload: Payload, name: str) -> None:
    raw = payload(name)
    assert parse(INSTANCE, raw) == Vif(
        **{
            "port_id": raw["id"],
            "mac": raw["address"],
            "devname": raw["devname"],
            "instance_uuid": INSTANCE["uuid"],
            "instance_name": INSTANCE["name"],
            "project_id": INSTANCE["project_id"],
            "ips": tuple(_ips(raw)),
            "network_id": raw["network"]["id"],
            "mtu": 1450,
            "details": freeze(raw["details"], ""),
            "profile": freeze(raw["profile"], ""),
            **PARSED[name],
        }
    )


def _ips(raw: dict[str, Any]) -> list[str]:
    return [ip["address"] for subnet in raw["network"]["subnets"] for ip in subnet["ips"]]


DEEP: Any = {}
for _ in range(20):
    DEEP = {"a": DEEP}
DEEP_LIST: Any = []
for _ in range(20):
    DEEP_LIST = [DEEP_LIST]

DEVICES = [7, True, [], {}, "a/b", "a b", "..", ".", ".hidden", "-x", "a" * 16, "a:b", "é", "a\n"]
MACS = [
    7, True, [], "fa:16:3e:5a:00", "fa:16:3e:5a:00:01:02", "fa-16-3e-5a-00-01", "01:00:5e:00:00:01",
    "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00", "fa:16:3e:5a:00:0g", "fa:16:3e:5a:00:01\n", "\ud800",
]  # fmt: skip
UUIDS = [7, True, [], "nonsense", "7181b049-88fe-58c4-ad88", "\ud800", "7" * 300, "7181b049\x00"]
NUMBERS = [True, False, 1.5, -1, "-1", "1e3", " 1500", "", "१५००", "9" * 40, 1 << 70, [], {}]
FLAGS = [1, 0, 1.0, "yes", "", [], {}]
TEXTS = [7, True, [], "a\n", "\x00", "\ud800", "a" * 256]
WORDS = [7, True, [], {}, "a b", "a/b", "..", "\ud800", "a" * 64]
DICTS = [7, True, "text", [], [["a", 1]], {1: 2}, {"k" * 256: 1}]

BAD: dict[str, list[Any]] = {
    "vif.id": [None, "", *UUIDS],
    "vif.type": [None, "", *WORDS],
    "vif.address": [None, "", *MACS],
    "vif.vnic_type": WORDS,
    "vif.devname": DEVICES,
    "vif.network": DICTS,
    "vif.network.id": UUIDS,
    "vif.network.bridge": DEVICES,
    "vif.network.meta": DICTS,
    "vif.network.meta.mtu": [*NUMBERS, 0, 67, 65536, "67", "65536"],
    "vif.network.meta.network_type": WORDS,
    "vif.network.meta.segmentation_id": [*NUMBERS, 1 << 32, "x"],
    "vif.network.meta.vlan": [*NUMBERS, 4095, "4095"],
    "vif.network.meta.bridge_interface": DEVICES,
    "vif.network.meta.physical_network": TEXTS,
    "vif.network.meta.should_create_bridge": FLAGS,
    "vif.network.meta.should_create_vlan": FLAGS,
    "vif.details": [*DICTS, DEEP, {"a": DEEP_LIST}, {"a": object()}],
    "vif.details.bridge_name": DEVICES,
    "vif.details.vlan": [*NUMBERS, 4095, "4095"],
    "vif.details.datapath_type": ["kernel", 7, True, [], "\ud800"],
    "vif.details.ovs_hybrid_plug": FLAGS,
    "vif.details.ovs_create_tap": FLAGS,
    "vif.details.multiqueue": FLAGS,
    "vif.details.mac_address": MACS,
    "vif.details.vhostuser_mode": ["both", 7, True, [], "\ud800"],
    "vif.details.vhostuser_socket": [*TEXTS, "vhu1", "/" + "a" * 107, "/" + "é" * 54],
    "vif.details.bound_drivers": DICTS,
    "vif.details.bound_drivers.0": [None, "", *WORDS],
    "vif.details.physical_network": TEXTS,
    "vif.network.subnets": [7, True, "text", {}],
    "vif.profile": [*DICTS, DEEP, {"a": DEEP_LIST}],
    "vif.profile.pci_slot": [
        7,
        True,
        [],
        "03:10.1",
        "0000:03:10",
        "0000:03:10.8",
        "0000:03:20.1",
        "../../net",
        "\ud800",
        "0000:03:10.1 ",
        "0000:03:10.1\n",
    ],
    "vif.profile.trusted": FLAGS,
    "vif.meta": DICTS,
    "vif.meta.port_security_enabled": FLAGS,
    "vif.meta.allowed_address_pairs": [7, True, "text", {}],
    "vif.meta.admin_state_up": FLAGS,
    "vif.meta.propagate_uplink_status": FLAGS,
    "vif.meta.min_tx_rate": NUMBERS,
    "vif.meta.max_tx_rate": [*NUMBERS, 1 << 32],
    "instance": [None, *DICTS],
    "instance.uuid": UUIDS,
    "instance.name": TEXTS,
    "instance.project_id": TEXTS,
}


def _with(args: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The cast's arguments with one field put in its place."""
    args = copy.deepcopy(args)
    *parents, last = path.split(".")
    node = args
    for key in parents:
        node = node.setdefault(key, {})
    node[last] = value
    return args


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param(path, value, id=f"{path}-{i}")
        for path, values in BAD.items()
        for i, value in enumerate(values)
    ],
)
def test_parse_of_a_bad_field_names_it(payload: Payload, path: str, value: Any) -> None:
    args = _with({"instance": INSTANCE, "vif": payload("bridge")}, path, value)
    with pytest.raises(InvalidRequest) as refused:
        parse(args["instance"], args["vif"])
    assert str(refused.value).startswith(f"{path}: expected ")
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize(
    ("pair", "says"),
    [
        (7, ": expected a dict, got 7"),
        ({}, ".ip_address: expected an IP address or network, got None"),
        ({"ip_address": "10.0.0.300"}, ".ip_address: expected an IP address or network, got "),
        ({"ip_address": "10.0.0.9/33"}, ".ip_address: expected an IP address or network, got "),
        ({"ip_address": "fe80::1%eth0"}, ".ip_address: expected an IP address or network, got "),
        ({"ip_address": 167772169}, ".ip_address: expected printable text of at most 255 "),
        ({"ip_address": "10.0.0.9", "mac_address": "x"}, ".mac_address: expected a MAC address, "),
        (
            {"ip_address": "10.0.0.9", "mac_address": "01:00:5e:00:00:01"},
            ".mac_address: expected a unicast MAC address, got '01:00:5e:00:00:01'",
        ),
    ],
)
def test_parse_of_a_bad_address_pair_names_it(payload: Payload, pair: Any, says: str) -> None:
    vif = payload("bridge")
    good = {"ip_address": "10.0.0.8"}
    with pytest.raises(InvalidRequest) as refused:
        parse(INSTANCE, {**vif, "meta": {"allowed_address_pairs": [good, pair]}})
    assert str(refused.value).startswith(f"vif.meta.allowed_address_pairs[1]{says}")


def test_address_pairs_are_as_neutron_means_them(payload: Payload) -> None:
    vif = payload("bridge")
    assert parse(INSTANCE, vif).address_pairs is None, "the sender does not say"
    for given, pairs in {
        (): (),
        (("10.0.0.9", None),): ((vif["address"], "10.0.0.9/32"),),
        (("10.0.0.9/24", "00:00:5E:00:01:0A"),): (("00:00:5e:00:01:0a", "10.0.0.0/24"),),
        (("2001:DB8::9", ""), ("::/0", None)): (
            (vif["address"], "2001:db8::9/128"),
            (vif["address"], "::/0"),
        ),
    }.items():
        told = [{"ip_address": network, "mac_address": mac} for network, mac in given]
        parsed = parse(INSTANCE, {**vif, "meta": {"allowed_address_pairs": told}})
        assert parsed.address_pairs == pairs


@pytest.mark.parametrize("field", ["id", "type", "address"])
def test_parse_without_a_needed_field_names_it(payload: Payload, field: str) -> None:
    vif = payload("ovs")
    del vif[field]
    with pytest.raises(InvalidRequest, match=rf"^vif\.{field}: expected .*, got None$"):
        parse(INSTANCE, vif)


@pytest.mark.parametrize("vif", [None, 7, "text", [], True])
def test_parse_of_what_is_no_dict_is_refused(vif: object) -> None:
    with pytest.raises(InvalidRequest, match=r"^vif: expected a dict"):
        parse(INSTANCE, vif)
    with pytest.raises(InvalidRequest, match=r"^vif: expected a dict"):
        port_id_of(vif)


@pytest.mark.parametrize(
    ("path", "value", "field", "parsed"),
    [
        ("vif.id", "7181B049-88FE-58C4-AD88-63316F977D48", "port_id", None),
        ("vif.address", "FA:16:3E:5A:00:01", "mac", "fa:16:3e:5a:00:01"),
        ("vif.details.mac_address", "FE:16:3E:5A:00:01", "tap_mac", "fe:16:3e:5a:00:01"),
        ("vif.devname", "a" * 15, "devname", "a" * 15),
        ("vif.devname", "", "devname", None),
        ("vif.devname", None, "devname", None),
        ("vif.vnic_type", None, "vnic_type", "normal"),
        ("vif.network.meta.mtu", "9000", "mtu", 9000),
        ("vif.network.meta.mtu", 68, "mtu", 68),
        ("vif.network.meta.mtu", 65521, "mtu", 65521),
        ("vif.network.meta.mtu", None, "mtu", None),
        ("vif.network.meta.vlan", 4094, "vlan", 4094),
        ("vif.details.vlan", "0", "vlan", 0),
        ("vif.details.multiqueue", "True", "multi_queue", True),
        ("vif.details.ovs_create_tap", "false", "create_tap", False),
        ("vif.details.bridge_name", "tbr-1", "bridge", "tbr-1"),
        ("vif.details.bridge_name", None, "bridge", "br-int"),
        ("vif.details.bound_drivers", {"1": "b", "0": "a"}, "bound_drivers", ("a", "b")),
        ("vif.network", None, "network_id", None),
        ("vif.details", None, "bound_drivers", ()),
        ("vif.profile", None, "profile", {}),
        ("vif.profile.pci_slot", "0000:03:1F.7", "pci_slot", "0000:03:1f.7"),
        ("vif.profile.pci_slot", "10000:e1:00.0", "pci_slot", "10000:e1:00.0"),
        ("vif.profile.trusted", "False", "trusted", False),
        ("vif.profile.trusted", None, "trusted", False),
        ("vif.meta.admin_state_up", False, "admin_up", False),
        ("vif.meta.max_tx_rate", "1000", "max_tx_rate", 1000),
        ("vif.meta", None, "admin_up", None),
        ("instance.uuid", None, "instance_uuid", None),
    ],
)
def test_parse_of_an_unusual_but_good_field(
    payload: Payload, path: str, value: Any, field: str, parsed: Any
) -> None:
    raw = payload("ovs")
    args = _with({"instance": INSTANCE, "vif": raw}, path, value)
    expected = raw["id"] if field == "port_id" else parsed
    assert getattr(parse(args["instance"], args["vif"]), field) == expected


def test_vlan_of_the_binding_goes_before_the_networks(payload: Payload) -> None:
    vif = payload("bridge_vlan")
    vif["details"]["vlan"] = 7
    assert parse(INSTANCE, vif).vlan == 7


def test_vif_cannot_be_changed_by_a_plugin(payload: Payload) -> None:
    raw = payload("ovs")
    raw["profile"] = {"list": [1, {"a": 2}]}
    vif = parse(INSTANCE, raw)
    assert vif.profile["list"] == (1, {"a": 2})
    with pytest.raises(TypeError):
        vif.details["bridge_name"] = "other"  # type: ignore[index]
    raw["details"]["bridge_name"] = "other"
    assert vif.details["bridge_name"] == "br-int"


def test_refusal_of_a_huge_value_is_short(payload: Payload) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse(INSTANCE, {**payload("ovs"), "devname": "x" * 10_000_000})
    assert len(str(refused.value)) < 200
