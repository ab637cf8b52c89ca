"""The plugins of this tree by the suite that authors of others run on theirs."""

from __future__ import annotations

from vif_agent.plugin_host import discovery
from vif_agent.plugins.base import GROUP
from vif_agent.testing.conformance import PluginConformance


class TestOvs(PluginConformance):
    plugin, payloads = "ovs", "../../examples/payloads/ovs*.json"


class TestBridge(PluginConformance):
    plugin, payloads = "bridge", "../../examples/payloads/bridge*.json"
    options = {  # noqa: RUF012
        "bridge": {"create_tap": True},
        "network": {
            "physical_interface_mappings": "physnet1:eth1",
            "vxlan_local_ip": "127.0.0.1",
        },
    }


class TestTap(PluginConformance):
    plugin, payloads = "tap", "../../examples/payloads/tap.json"


class TestWiredTap(PluginConformance):
    plugin, payloads = "tap", "../../examples/payloads/tap.json"
    options = {"bridge": {"wire_taps": True}}  # noqa: RUF012


class TestVhostUser(PluginConformance):
    plugin, payloads = "vhostuser", "../../examples/payloads/vhostuser*.json"


class TestMacvtap(PluginConformance):
    plugin, payloads = "macvtap", "../../examples/payloads/macvtap.json"
    options = {"network": {"interfaces": "eth1"}}  # noqa: RUF012


class TestHwVeb(PluginConformance):
    plugin, payloads = "hw_veb", "../../examples/payloads/hw_veb*.json"


class TestAgilioOvs(PluginConformance):
    plugin, payloads = "agilio_ovs", "../../examples/payloads/agilio_ovs*.json"


class TestMidonet(PluginConformance):
    plugin, payloads = "midonet", "../../examples/payloads/midonet.json"


class TestIovisor(PluginConformance):
    plugin, payloads = "iovisor", "../../examples/payloads/iovisor.json"


class TestIvs(PluginConformance):
    plugin, payloads = "ivs", "../../examples/payloads/ivs*.json"


class TestVrouter(PluginConformance):
    plugin, payloads = "vrouter", "../../examples/payloads/vrouter*.json"


class TestIbHostdev(PluginConformance):
    plugin, payloads = "ib_hostdev", "../../examples/payloads/ib_hostdev.json"


class TestMlnxDirect(PluginConformance):
    plugin, payloads = "mlnx_direct", "../../examples/payloads/mlnx_direct.json"


class TestNoop(PluginConformance):
    plugin, payloads = "noop", "../../examples/payloads/noop.json"


class TestBindingFailed(PluginConformance):
    plugin, payloads = "binding_failed", "../../examples/payloads/binding_failed.json"


class TestUnbound(PluginConformance):
    plugin, payloads = "unbound", "../../examples/payloads/unbound.json"


def test_every_plugin_of_this_tree_is_here() -> None:
    """Those of one class once."""
    own = {
        candidate.entry_point.value for candidate in discovery.find(GROUP).values() if candidate.own
    }
    here = {kind.plugin for kind in PluginConformance.__subclasses__()}
    assert own == {discovery.find(GROUP)[name].entry_point.value for name in here}
