"""The suite of vif-agent, and what this driver answers."""

import dataclasses
import json
from pathlib import Path

import pytest
from acme_guard import AcmeDriver

from vif_agent.errors import InvalidRequest
from vif_agent.resources import Guard
from vif_agent.testing.firewall_conformance import FirewallDriverConformance
from vif_agent.vif import Vif, parse

PAYLOAD = Path(__file__).parent / "payloads" / "bridge.json"
MAC = "fa:16:3e:5a:00:04"


class TestAcme(FirewallDriverConformance):
    driver, payloads = "acme", "payloads/*.json"
    options = {"acme_guard": {"networks": "203.0.113.0/28"}}  # noqa: RUF012


@pytest.fixture
def vif() -> Vif:
    return parse({}, json.loads(PAYLOAD.read_text()))


def test_guest_has_its_addresses_and_the_load_balancers(vif: Vif) -> None:
    assert AcmeDriver(networks=("203.0.113.0/28",)).guard(vif) == Guard(
        name="tapcb0042fb-c1",
        macs=(MAC,),
        pairs=(
            (MAC, "192.0.2.17/32"),
            (MAC, "2001:db8:1::17/128"),
            (MAC, "203.0.113.0/28"),
            (MAC, "fe80::f816:3eff:fe5a:4/128"),
        ),
    )


def test_router_is_one_by_its_profile(vif: Vif) -> None:
    guard = AcmeDriver().guard(dataclasses.replace(vif, profile={"acme_router": True}))
    assert guard
    assert guard.router


def test_port_without_port_security_is_not_guarded(vif: Vif) -> None:
    assert AcmeDriver().guard(dataclasses.replace(vif, port_security=False)) is None


def test_port_without_an_address_is_refused(vif: Vif) -> None:
    with pytest.raises(InvalidRequest, match=r"^vif\.network\.subnets: expected the port's fixed"):
        AcmeDriver().guard(dataclasses.replace(vif, ips=()))
