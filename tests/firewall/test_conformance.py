"""The drivers of this tree by the suite that authors of others run on theirs."""

from __future__ import annotations

from vif_agent.firewall.base import GROUP
from vif_agent.plugin_host import discovery
from vif_agent.testing.firewall_conformance import FirewallDriverConformance


class TestNftables(FirewallDriverConformance):
    driver, payloads = "nftables", "../../examples/payloads/bridge.json"


class TestStrict(FirewallDriverConformance):
    driver, payloads = "nftables", "../../examples/payloads/bridge.json"
    options = {"firewall": {"unknown_pairs": "strict"}}  # noqa: RUF012


class TestNoop(FirewallDriverConformance):
    driver, payloads = "noop", "../../examples/payloads/bridge.json"


def test_every_driver_of_this_tree_is_here() -> None:
    own = {name for name, candidate in discovery.find(GROUP).items() if candidate.own}
    assert own == {kind.driver for kind in FirewallDriverConformance.__subclasses__()}
