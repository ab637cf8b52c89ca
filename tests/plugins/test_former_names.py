"""What plugins and senders of other packages import, under the names that it had before."""

from __future__ import annotations

import dataclasses
import importlib

import pytest

from vif_agent.resources import OvsPort, Vxlan

PUBLIC = [
    ("bus.api", "VifAgentAPI NoAnswer PlugFailed"),
    ("contract", "CONTRACT"),
    ("errors", "InvalidRequest BindingRefused NoPlugin NotConfigured"),
    ("installed.plugins", "Plugins"),
    ("names", ""),
    ("ownership", ""),
    ("places", "NETDEV REPRESENTOR PF_ADDRESS VF_NUMBER CARD of_pci"),
    ("plugins.base", "Plugin host_mac"),
    ("resources", "Bridge Device OvsBridge OvsPort Tap Veth Vlan Vxlan Vf Command"),
    ("segments.base", "TypeDriver GROUP"),
    ("testing.conformance", "PluginConformance"),
    ("testing.fixtures", "scratch host store ovs namespace"),
    ("testing.plugging", "Ports"),
    ("vif", "Vif parse"),
]


@pytest.mark.parametrize(("module", "names"), PUBLIC)
def test_what_was_public_is_found_where_it_was(module: str, names: str) -> None:
    found = importlib.import_module(f"vif_agent.{module}")
    assert [name for name in names.split() if not hasattr(found, name)] == []


def test_former_keyword_of_an_ovs_port() -> None:
    port = OvsPort(name="vhu1", bridge="br-int", refusable=True)
    assert port == OvsPort(name="vhu1", bridge="br-int", error_is_final=True)
    assert dataclasses.replace(port, mtu_request=1450).error_is_final


def test_former_keyword_of_a_tunnel() -> None:
    tunnel = Vxlan(name="vxlan-7", vni=7, at_home=True)
    assert tunnel == Vxlan(name="vxlan-7", vni=7, local_ip_present=True)
    assert dataclasses.replace(tunnel, mtu=1450).local_ip_present
