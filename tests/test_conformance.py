"""The plugins of this tree by the suite that authors of others run on theirs."""

from __future__ import annotations

from vif_agent.testing.conformance import PluginConformance


class TestOvs(PluginConformance):
    plugin, payloads = "ovs", "../examples/payloads/ovs*.json"


class TestBridge(PluginConformance):
    plugin, payloads = "bridge", "../examples/payloads/bridge*.json"
    options = {"bridge": {"create_tap": True}}  # noqa: RUF012


class TestTap(PluginConformance):
    plugin, payloads = "tap", "../examples/payloads/tap.json"


class TestWiredTap(PluginConformance):
    plugin, payloads = "tap", "../examples/payloads/tap.json"
    options = {"bridge": {"wire_taps": True}}  # noqa: RUF012


class TestBindingFailed(PluginConformance):
    plugin, payloads = "binding_failed", "../examples/payloads/binding_failed.json"


class TestUnbound(PluginConformance):
    plugin, payloads = "unbound", "../examples/payloads/unbound.json"
