"""What every plugin must keep of the contract, as tests. Two lines run them on yours:

    class TestAcme(PluginConformance):
        plugin, payloads = "acme", "payloads/*.json"

``payloads``: files beside the test, each the ``vif`` of a ``plug_vif`` cast that the plugin plugs
or refuses. The tests on a scratch host take root and Open vSwitch, and are skipped without.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vif_agent.pci_names import has_placeholder
from vif_agent.plugin_host import in_process
from vif_agent.plugin_host.kinds import PLUGIN
from vif_agent.plugin_host.registry import Installed, PluginRegistry
from vif_agent.plugin_host.sub_process import SubProcessPlugin
from vif_agent.plugins.base import Plugin
from vif_agent.ports.port import READY, UNPLUGGED
from vif_agent.ports.store import Store
from vif_agent.resources import LINK, Device, Key
from vif_agent.testing import processes
from vif_agent.testing.extension_conformance import (
    REFUSED,
    SECONDS,
    SETTINGS,
    Answer,
    ExtensionConformance,
    answered,
    other,
    skip_if_the_kernel_refuses,
    there,
    writes,
)
from vif_agent.testing.host import ScratchHost
from vif_agent.testing.plugging import INSTANCE, Ports, real_host
from vif_agent.vif import parse


class PluginConformance(ExtensionConformance):
    """``plugin``: its entry point's name; ``options``: {group: {option: value}} to ask it under."""

    kind = PLUGIN
    plugin: ClassVar[str]

    def name(self) -> str:
        """As ``plugin``."""
        return self.plugin

    def test_is_asked_as_the_agent_asks_it(self, conf: Any, raw: dict[str, Any]) -> None:
        """Another package's in a process of its own, which answers what it answers here."""
        candidate, vif = self.candidate(), parse(INSTANCE, raw)
        asked: Installed = (
            in_process.load(candidate, conf) if candidate.own else SubProcessPlugin(candidate, conf)
        )
        plugins = PluginRegistry({raw["type"]: asked})
        try:
            plugins.await_answers([vif], SECONDS)
            answer = answered(lambda: plugins.resources(vif))
            assert answer == self.answer(self.made(conf), vif)
        finally:
            plugins.close()

    @SETTINGS
    @given(numbers=st.lists(st.integers(0, 65535), min_size=2, max_size=2, unique=True))
    def test_two_ports_have_nothing_in_common_but_what_is_shared(
        self, conf: Any, raw: dict[str, Any], numbers: list[int]
    ) -> None:
        """Else the unplug of one takes something from the other."""
        one, two = (
            _own(self.answer(self.made(conf), parse(INSTANCE, other(raw, number))))
            for number in numbers
        )
        assert not one & two, f"two ports would have these in common: {one & two}"

    def test_plug_and_unplug_each_twice(
        self, conf: Any, raw: dict[str, Any], scratch_host: ScratchHost, tmp_path: Path
    ) -> None:
        """The second plug is not one write; the unplug leaves nothing; nor is the second one."""
        plugin = cast("Plugin", self.made(conf))
        answer = self.answer(plugin, parse(INSTANCE, raw))
        with _ports(plugin, answer, raw, scratch_host, tmp_path) as ports:
            before = there(scratch_host)
            (port,) = ports.plug(raw)
            skip_if_the_kernel_refuses(port.problem)
            if not (port.problem and port.problem.code in REFUSED):
                assert (port.state, port.problem) == (READY, None)
            assert writes(scratch_host, lambda: ports.plug(raw)) == []
            assert ports.unplug(raw)[0].state == UNPLUGGED
            assert there(scratch_host) == before
            assert writes(scratch_host, lambda: ports.unplug(raw)) == []


def _own(answer: Answer) -> set[Key]:
    return set() if isinstance(answer, str) else {r.key for r in answer if not r.shared}


@contextlib.contextmanager
def _ports(
    plugin: Plugin, answer: Answer, raw: dict[str, Any], scratch: ScratchHost, directory: Path
) -> Iterator[Ports]:
    resources = () if isinstance(answer, str) else answer
    made = {resource.key for resource in resources}
    external = [resource.name for resource in resources if resource.external]
    below = {key for resource in resources for key in resource.stands_on} - made
    nics = [key.name for key in below if key.space == LINK]  # of a VLAN device, for one
    for resource in resources:
        if has_placeholder(resource) or (resource.external and not isinstance(resource, Device)):
            what = f"{resource.kind} {resource.name[:40]}"
            pytest.skip(f"the scratch host has no card and no vendor's program: {what}")
    store = Store(directory / "ports.sqlite")
    with real_host(scratch) as host, _lent(external + nics):
        for name in nics:
            processes.run(("ip", "link", "set", name, "up"), os.environ)
        yield Ports(host, store, PluginRegistry({raw["type"]: plugin}))
    store.close()


@contextlib.contextmanager
def _lent(names: Sequence[str]) -> Iterator[None]:
    """Stand-ins for the devices that others make: ends of veth pairs."""
    for number, name in enumerate(names):
        pair = (name, "type", "veth", "peer", "name", f"lent{number}")
        processes.run(("ip", "link", "add", *pair), os.environ)
    yield
    for name in names:
        processes.run(("ip", "link", "del", name), os.environ)
