"""What every firewall driver must keep of the contract, as tests. Two lines run them on yours:

    class TestAcme(FirewallDriverConformance):
        driver, payloads = "acme", "payloads/*.json"

``payloads``: files beside the test, each the ``vif`` of a ``plug_vif`` cast for vif_type bridge.
The test on a scratch host takes root, Open vSwitch and a kernel that can guard, and is skipped
without.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest
from hypothesis import strategies as st

from vif_agent.firewall.base import FirewallDriver
from vif_agent.firewall.guarded import Guarded
from vif_agent.helper import guards
from vif_agent.helper.codec import Plain
from vif_agent.host.nft_table import NftTable
from vif_agent.host.real import RealHost
from vif_agent.plugin_host.drivers import Driver, Drivers
from vif_agent.plugin_host.in_process import InProcessDriver
from vif_agent.plugin_host.kinds import FIREWALL_DRIVER
from vif_agent.plugin_host.registry import PluginRegistry
from vif_agent.plugin_host.sub_process import SubProcessDriver
from vif_agent.plugins.bridge import BridgePlugin
from vif_agent.ports.port import READY, UNPLUGGED
from vif_agent.ports.store import Store
from vif_agent.resources import Guard
from vif_agent.testing.extension_conformance import (
    REFUSED,
    SECONDS,
    ExtensionConformance,
    answered,
    skip_if_the_kernel_refuses,
    there,
    writes,
)
from vif_agent.testing.host import ScratchHost
from vif_agent.testing.plugging import INSTANCE, Ports, real_host
from vif_agent.vif import Vif, parse

_PAIRS = [
    [],
    [{"ip_address": "192.0.2.99"}],
    [{"ip_address": "0.0.0.0/0"}, {"ip_address": "2001:db8::/64"}],
    [{"ip_address": "192.0.2.5", "mac_address": "00:00:5e:00:01:0a"}],
]


class FirewallDriverConformance(ExtensionConformance):
    """``driver``: its entry point's name; ``options``: {group: {option: value}} to ask it under."""

    kind = FIREWALL_DRIVER
    driver: ClassVar[str]

    def name(self) -> str:
        """As ``driver``."""
        return self.driver

    def more(self, data: st.DataObject, vif: dict[str, Any]) -> None:
        """Fixed addresses, allowed pairs, port security."""
        subnets = [vif["network"].get("subnets"), [], [{"ips": [{"address": "192.0.2.7"}]}]]
        vif["network"]["subnets"] = data.draw(st.sampled_from(subnets))
        vif["meta"] = {
            "allowed_address_pairs": data.draw(st.sampled_from([None, *_PAIRS])),
            "port_security_enabled": data.draw(st.sampled_from([None, True, False])),
        }

    def test_is_asked_as_the_agent_asks_it(self, conf: Any, raw: dict[str, Any]) -> None:
        """Another package's in a process of its own, which answers what it answers here."""
        vif = parse(INSTANCE, raw)
        plugins = _plugins(self._asked(conf))
        try:
            plugins.await_answers([vif], SECONDS)
            answer = answered(lambda: _guards(plugins, vif))
            assert answer == self.answer(self.made(conf), vif)
        finally:
            plugins.close()

    def test_guard_stands_before_its_device_and_goes_after_it(
        self, conf: Any, raw: dict[str, Any], scratch_host: ScratchHost, tmp_path: Path
    ) -> None:
        """Plugged and unplugged twice: the second plug is not one write, the unplug leaves
        nothing."""
        vif, table = parse(INSTANCE, raw), Witness()
        answer = self.answer(self.made(conf), vif)
        guarded = () if isinstance(answer, str) else answer
        if guarded and (missing := guards.lacks()):
            pytest.skip(f"the kernel cannot guard ports: {missing}")
        with real_host(scratch_host, table=table) as host:
            store, before = Store(tmp_path / "ports.sqlite"), there(scratch_host)
            driver = InProcessDriver(self.driver, cast("FirewallDriver", self.made(conf)))
            ports = Ports(host, store, Guarded(_plugins(driver), driver))
            (port,) = ports.plug(raw)
            skip_if_the_kernel_refuses(port.problem)
            if isinstance(answer, str):
                assert port.problem
                assert port.problem.code in REFUSED
                assert vif.tap_name not in scratch_host.links(), "a port that is refused is open"
            else:
                assert (port.state, port.problem) == (READY, None)
            assert _there(host) == list(guarded)
            assert writes(scratch_host, lambda: ports.plug(raw)) == []
            assert ports.unplug(raw)[0].state == UNPLUGGED
            assert (there(scratch_host), _there(host)) == (before, [])
            what = ("put", "remove") if guarded else ()
            assert table.seen == [(act, vif.tap_name, False) for act in what]
            store.close()

    def _asked(self, conf: Any) -> Driver:
        candidate = self.candidate()
        if not candidate.own:
            return SubProcessDriver(candidate, conf)
        made = cast("FirewallDriver", self.made(conf))
        return InProcessDriver(candidate.name, made, candidate.package)


class Witness(NftTable):
    """The kernel's table. ``seen``: what was done to which device's guard, and was the device there
    then."""

    def __init__(self) -> None:
        super().__init__(())
        self.seen: list[tuple[str, str, bool]] = []

    def write(
        self, generation: int, put: Sequence[Plain], remove: Sequence[str]
    ) -> tuple[int, str]:
        """As the kernel's."""
        links = {name for _, name in socket.if_nameindex()}
        written = super().write(generation, put, remove)
        acts = [("put", str(fields["name"])) for _, fields in put]
        acts += [("remove", name) for name in remove]
        self.seen += [(act, name, name in links) for act, name in acts if not written[0]]
        return written


def _plugins(driver: Driver) -> PluginRegistry:
    """Whose ports are wired into linux bridges."""
    return PluginRegistry({"bridge": BridgePlugin(create_tap=True)}, drivers=Drivers(driver))


def _guards(plugins: PluginRegistry, vif: Vif) -> Sequence[Guard]:
    answer = Guarded(plugins, plugins.drivers.used).resources(vif)
    return [resource for resource in answer if isinstance(resource, Guard)]


def _there(host: RealHost) -> list[Guard]:
    found = host.guards.read().values()
    return [thing.resource for thing in found if isinstance(thing.resource, Guard)]
