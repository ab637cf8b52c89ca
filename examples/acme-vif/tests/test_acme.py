"""The suite of vif-agent, and what this plugin answers."""

import dataclasses
import json
from pathlib import Path

import pytest
from acme_vif import AcmePlugin

from vif_agent.errors import InvalidRequest
from vif_agent.resources import OvsBridge, OvsPort, Tap
from vif_agent.testing.conformance import PluginConformance
from vif_agent.vif import Vif, parse

PAYLOAD = Path(__file__).parent / "payloads" / "acme.json"


class TestAcme(PluginConformance):
    plugin, payloads = "acme", "payloads/*.json"


@pytest.fixture
def vif() -> Vif:
    return parse({}, json.loads(PAYLOAD.read_text()))


def test_port_is_a_tap_on_the_controllers_bridge(vif: Vif) -> None:
    assert AcmePlugin(bridge="br-sdn").resources(vif) == (
        OvsBridge(name="br-sdn", shared=True, datapath_type="netdev"),
        Tap(name="acm3c2a1f06-8f", mac="fa:16:3e:0a:c3:e1", mtu=1450, master="", multi_queue=False),
        OvsPort(
            name="acm3c2a1f06-8f",
            bridge="br-sdn",
            mtu_request=1450,
            external_ids=(
                ("acme-network", "d9b0a2c4-5a3e-4f5e-8a0b-7c1f2e3d4b5a"),
                ("acme-policy", "web"),
                ("attached-mac", "fa:16:3e:0a:c3:e1"),
                ("iface-id", "3c2a1f06-8f0e-4d0b-9a55-0d8f3e6b7c21"),
            ),
        ),
    )


@pytest.mark.parametrize("policy", [None, "", "two words", 7])
def test_port_without_a_policy_is_refused(vif: Vif, policy: object) -> None:
    with pytest.raises(InvalidRequest, match=r"^vif\.profile\.acme_policy: expected the name"):
        AcmePlugin().resources(dataclasses.replace(vif, profile={"acme_policy": policy}))
