"""A table per type driver: VIF and configuration in, resources out; and how drivers are found."""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from oslo_config import cfg

from tests.support.examples import INSTANCE
from vif_agent import config
from vif_agent.config.checks import check
from vif_agent.errors import InvalidRequest, NoPlugin, NotConfigured, PluginFailed
from vif_agent.network_types import loader
from vif_agent.network_types.base import GROUP, TypeDriver
from vif_agent.network_types.local import LocalDriver
from vif_agent.network_types.vlan import device_name
from vif_agent.plugin_host.registry import PluginRegistry
from vif_agent.plugins.bridge import BridgePlugin
from vif_agent.resources import Nic, Resource, Vlan, Vxlan
from vif_agent.vif import Vif, parse

Payload = Callable[[str], dict[str, Any]]

BRIDGE = "brq7151fa78-2a"
CONFIGURED = """
[network]
physical_interface_mappings = physnet1:eth1,physnet2:a-bond-of-nics
interfaces = eth[67]
vxlan_local_ip = 192.0.2.1
"""
VLAN = Vlan(
    name="eth1.101", shared=True, parent="eth1", vid=101, master=BRIDGE, mtu=1500,
    disable_ipv6=True,
)  # fmt: skip
NIC = Nic(name="eth1", shared=True, master=BRIDGE, addressed=BRIDGE, other_mac=False)
VXLAN = Vxlan(
    name="vxlan-70007", shared=True, vni=70007, local="192.0.2.1", group="224.0.0.1", port=8472,
    local_ip_present=True, master=BRIDGE, mtu=1500, disable_ipv6=True,
)  # fmt: skip


@pytest.fixture
def vif(payload: Payload) -> Vif:
    return parse(INSTANCE, payload("bridge"))


@pytest.fixture
def configured(tmp_path: Path) -> Callable[[str], cfg.ConfigOpts]:
    def read(text: str) -> cfg.ConfigOpts:
        path = tmp_path / "vif-agent.conf"
        path.write_text(text)
        conf = cfg.ConfigOpts()
        config.register(conf)
        conf(["--config-file", str(path)], project="vif-agent")
        check(conf)
        return conf

    return read


Configured = Callable[[str], cfg.ConfigOpts]


def _segment(conf: cfg.ConfigOpts, vif: Vif, **output: Any) -> Sequence[Resource]:
    network_types = loader.load(conf)
    answer = tuple(network_types(dataclasses.replace(vif, **output), BRIDGE))
    assert answer == tuple(network_types(dataclasses.replace(vif, **output), BRIDGE))
    return answer


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ({}, ()),
        ({"physical_network": "physnet1"}, ()),
        ({"network_type": "local"}, ()),
        ({"network_type": "flat", "physical_network": "physnet1"}, (NIC,)),
        (
            {"network_type": "flat", "physical_network": "physnet1", "bridge_interface": "eth7"},
            (dataclasses.replace(NIC, name="eth7"),),
        ),
        ({"bridge_interface": "eth1"}, (NIC,)),
        (
            {"network_type": "vlan", "physical_network": "physnet1", "segmentation_id": 101},
            (VLAN,),
        ),
        ({"network_type": "vlan", "bridge_interface": "eth1", "vlan": 101}, (VLAN,)),
        (
            {"network_type": "vlan", "physical_network": "physnet2", "segmentation_id": 4094},
            (
                dataclasses.replace(
                    VLAN, name="a-bof58cb7.4094", parent="a-bond-of-nics", vid=4094
                ),
            ),
        ),
        (
            {"should_create_vlan": True, "vlan": 101, "physical_network": "physnet1"},
            (dataclasses.replace(VLAN, name="vlan101"),),
        ),
        (
            {
                "should_create_vlan": True, "vlan": 101, "bridge_interface": "eth1",
                "network_type": "vlan", "segmentation_id": 7,
            },
            (dataclasses.replace(VLAN, name="vlan101"),),
        ),
        ({"network_type": "vxlan", "segmentation_id": 70007}, (VXLAN,)),
        (
            {"network_type": "vxlan", "segmentation_id": 70007, "mtu": None},
            (dataclasses.replace(VXLAN, mtu=None),),
        ),
    ],
)  # fmt: skip
def test_vif_gives_these_resources(
    configured: Configured, vif: Vif, output: dict[str, Any], expected: tuple[Resource, ...]
) -> None:
    assert _segment(configured(CONFIGURED), vif, **output) == expected


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        ("vxlan_ttl = 9", {"ttl": 9}),
        ("vxlan_port = 4789", {"port": 4789}),
        ("vxlan_group = 239.1.1.1", {"group": "239.1.1.1"}),
        ("vxlan_group = 239.0.0.0/8", {"group": "239.1.17.119"}),
        ("vxlan_multicast_ranges = 239.9.9.9:1:70006", {"group": "224.0.0.1"}),
        ("vxlan_multicast_ranges = 239.9.9.9:1:70007,239.8.8.8:1:99999", {"group": "239.9.9.9"}),
        (
            "vxlan_multicast_ranges = 239.9.9.9:70008:70009,239.8.8.0/24:70007:70007",
            {"group": "239.8.8.119"},
        ),
        (
            "vxlan_peers = 192.0.2.9, 192.0.2.1, 192.0.2.10",
            {"group": "", "peers": ("192.0.2.10", "192.0.2.9")},
        ),
    ],
)
def test_vxlan_is_as_configured(
    configured: Configured, vif: Vif, options: str, changes: dict[str, Any]
) -> None:
    conf = configured(CONFIGURED + options)
    expected = dataclasses.replace(VXLAN, **changes)
    assert _segment(conf, vif, network_type="vxlan", segmentation_id=70007) == (expected,)


def test_vxlan_of_ipv6_has_its_addresses_in_one_form(configured: Configured, vif: Vif) -> None:
    """As they are read back from the kernel."""
    conf = configured(
        "[network]\nvxlan_local_ip = 2001:DB8:0::1\nvxlan_peers = 2001:DB8:0::1,2001:db8:0:0::2"
    )
    (vxlan,) = _segment(conf, vif, network_type="vxlan", segmentation_id=7)
    assert isinstance(vxlan, Vxlan)
    assert (vxlan.local, vxlan.peers) == ("2001:db8::1", ("2001:db8::2",))


@pytest.mark.parametrize(
    ("output", "bridge"),
    [
        ({"network_type": "flat", "physical_network": "physnet1"}, "br-ex"),
        ({"network_type": "flat", "physical_network": "physnet2"}, None),
        ({"network_type": "flat"}, None),
        ({"network_type": "flat", "physical_network": "physnet1", "bridge_interface": "e"}, None),
        ({"network_type": "vlan", "physical_network": "physnet1", "segmentation_id": 7}, None),
        ({"physical_network": "physnet1"}, None),
    ],
)
def test_operators_bridge_is_for_a_flat_network(
    configured: Configured, vif: Vif, output: dict[str, Any], bridge: str | None
) -> None:
    options = CONFIGURED + "bridge_mappings = physnet1:br-ex\n"
    said_so = dataclasses.replace(vif, **output)
    assert loader.load(configured(options)).operators(said_so) == bridge
    without = loader.load(configured(options + "type_drivers = local,vlan"))
    assert without.operators(said_so) is None


@pytest.mark.parametrize(
    ("output", "field"),
    [
        ({"network_type": "flat"}, "bridge_interface"),
        ({"network_type": "vlan", "segmentation_id": 7}, "bridge_interface"),
        ({"network_type": "vlan", "physical_network": "physnet1"}, "vlan"),
        (
            {"network_type": "vlan", "physical_network": "physnet1", "segmentation_id": 4095},
            "segmentation_id",
        ),
        ({"network_type": "vxlan"}, "segmentation_id"),
        ({"network_type": "vxlan", "segmentation_id": 0}, "segmentation_id"),
        ({"network_type": "vxlan", "segmentation_id": 1 << 24}, "segmentation_id"),
        ({"should_create_vlan": True, "segmentation_id": 7, "bridge_interface": "eth1"}, "vlan"),
    ],
)
def test_vif_that_says_too_little_is_refused(
    configured: Configured, vif: Vif, output: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        _segment(configured(CONFIGURED), vif, **output)
    assert refused.value.field == f"vif.network.meta.{field}"


@pytest.mark.parametrize(
    ("options", "output", "words"),
    [
        ("", {"network_type": "flat", "physical_network": "physnet9"}, "physnet9"),
        (
            "",
            {"network_type": "vlan", "physical_network": "physnet9", "segmentation_id": 7},
            "physical_interface_mappings",
        ),
        ("", {"network_type": "vxlan", "segmentation_id": 7}, "vxlan_local_ip is not set"),
    ],
)
def test_port_of_what_the_operator_has_not_set_is_refused(
    configured: Configured, vif: Vif, options: str, output: dict[str, Any], words: str
) -> None:
    with pytest.raises(NotConfigured, match=words):
        _segment(configured(options), vif, **output)


@pytest.mark.parametrize("device", ["eth0", "eth10", "mgmt0", "eth", "br-int"])
@pytest.mark.parametrize("kind", ["flat", "vlan"])
def test_cast_may_name_only_the_devices_that_the_configuration_names(
    configured: Configured, vif: Vif, device: str, kind: str
) -> None:
    output = {"network_type": kind, "segmentation_id": 7, "physical_network": "physnet1"}
    expected = rf"bridge_interface: {device} is neither in .* nor in .network. interfaces"
    with pytest.raises(NotConfigured, match=expected):
        _segment(configured(CONFIGURED), vif, bridge_interface=device, **output)
    with pytest.raises(NotConfigured, match=expected):
        _segment(configured(""), vif, bridge_interface=device, **output)


def test_network_type_that_is_not_enabled_is_refused(configured: Configured, vif: Vif) -> None:
    conf = configured("[network]\ntype_drivers = local,vlan")
    with pytest.raises(NoPlugin, match="expected local, vlan, got 'geneve'"):
        _segment(conf, vif, network_type="geneve")
    with pytest.raises(NoPlugin, match="got 'flat'"):
        _segment(conf, vif, bridge_interface="eth1")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("type_drivers = local,gre", "type_drivers: gre is not installed; there are flat"),
        ("vxlan_group = 192.0.2.1", "not multicast"),
        ("vxlan_group = everybody", "everybody"),
        ("vxlan_multicast_ranges = 239.1.1.1:7", "239.1.1.1:7 is not GROUP:FIRST:LAST"),
        ("vxlan_multicast_ranges = 239.1.1.1:1:all", "not GROUP:FIRST:LAST"),
        ("vxlan_multicast_ranges = 239.1.1.1:7:6", "239.1.1.1:7:6 is no range of VNIs"),
        ("vxlan_multicast_ranges = 239.1.1.1:0:6", "no range of VNIs"),
        ("vxlan_multicast_ranges = 239.1.1.1:1:16777216", "no range of VNIs"),
        (
            "vxlan_multicast_ranges = 192.0.2.1:1:6",
            "vxlan_multicast_ranges: 192.0.2.1 is not multicast",
        ),
        ("vxlan_multicast_ranges = ff05::7:1:6\nvxlan_local_ip = 192.0.2.1", "IPv4 and IPv6"),
        ("vxlan_local_ip = 2001:db8::1", "IPv4 and IPv6"),
        ("vxlan_local_ip = 192.0.2.1\nvxlan_peers = 2001:db8::1", "IPv4 and IPv6"),
        ("physical_interface_mappings = a:eth1,b:eth1", "eth1 is given for a and b"),
    ],
)
def test_configuration_that_cannot_be_used_does_not_load(
    configured: Configured, options: str, words: str
) -> None:
    with pytest.raises(NotConfigured, match=words):
        loader.load(configured(f"[network]\n{options}"))


class Tunnels(TypeDriver):
    """Of another author's package."""

    contract = "1.0"

    def segment(self, vif: Vif, bridge: str) -> Sequence[Resource]:
        return ()


class OfTheFuture(Tunnels):
    contract = "2.0"


class OfNoContract(Tunnels):
    contract = ""


class Raises(Tunnels):
    @classmethod
    def from_conf(cls, conf: Any) -> Raises:
        raise KeyError("no such option")


class Leaves(Tunnels):
    @classmethod
    def from_conf(cls, conf: Any) -> Leaves:
        sys.exit("had enough")


class Makes(Tunnels):
    @classmethod
    def from_conf(cls, conf: Any) -> Any:
        return 7


class Late(Tunnels):
    """Goes wrong with each VIF."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def segment(self, vif: Vif, bridge: str) -> Sequence[Resource]:
        raise self.error


@pytest.mark.parametrize("error", [KeyError("gone"), SystemExit(3), RecursionError()])
def test_type_driver_that_raises_fails_its_own_networks_and_is_named(
    vif: Vif, error: BaseException
) -> None:
    network_types = loader.NetworkTypes({"gre": Late(error), "local": LocalDriver()})
    plugins = PluginRegistry({"bridge": BridgePlugin(network_types=network_types)})
    words = f"plugin bridge met type driver gre, which raised {error!r}"
    with pytest.raises(PluginFailed, match=re.escape(words)):
        plugins.resources(dataclasses.replace(vif, network_type="gre"))
    assert plugins.resources(vif)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("OfTheFuture", "type_drivers: gre: contract 2.0 is not known to this agent"),
        ("OfNoContract", "type_drivers: gre: contract: expected a version such as '1.0'"),
        ("vlan_device", "type_drivers: gre does not load: AttributeError"),
        ("device_name", "device_name is no subclass of vif_agent.network_types.base.TypeDriver"),
        ("Raises", "type_drivers: gre does not load: KeyError('no such option')"),
        ("Leaves", "type_drivers: gre does not load: SystemExit('had enough')"),
        (
            "Makes",
            "type_drivers: gre: tests.network_types.test_network_types:Makes.from_conf answered 7",
        ),
    ],
)
def test_type_driver_of_another_package_that_cannot_be_used(
    configured: Configured, name: str, words: str
) -> None:
    conf = configured("")
    with pytest.raises(NotConfigured, match=re.escape(words)):
        loader.made(_offered(name), "gre", conf)
    assert isinstance(loader.made(_offered("Tunnels"), "gre", conf), Tunnels)


def _offered(name: str) -> dict[str, EntryPoint]:
    return {"gre": EntryPoint(name="gre", value=f"{__name__}:{name}", group=GROUP)}


@pytest.mark.parametrize(
    "options",
    [
        "physical_interface_mappings = physnet1",
        "physical_interface_mappings = physnet1:a/b",
        "physical_interface_mappings = physnet1:a-name-of-sixteen",
        "bridge_mappings = physnet1",
        "bridge_mappings = physnet1:a/b",
        "vxlan_local_ip = here",
        "vxlan_peers = there",
        "vxlan_ttl = 256",
        "vxlan_port = 0",
    ],
)
def test_value_that_is_none_is_refused(configured: Configured, options: str) -> None:
    with pytest.raises(cfg.ConfigFileValueError):
        configured(f"[network]\n{options}")


@pytest.mark.parametrize(
    ("parent", "vid", "name"),
    [
        ("eth0", 1, "eth0.1"),
        ("eleven-char", 101, "eleven-char.101"),
        ("eleven-char", 1001, "elev7fca55.1001"),
        ("ten--chars", 4094, "ten--chars.4094"),
    ],
)
def test_name_of_a_vlan_device_is_at_most_15_long(parent: str, vid: int, name: str) -> None:
    assert device_name(parent, vid) == name
    assert len(name) <= 15
