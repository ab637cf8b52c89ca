"""What every plugin must keep of the contract, as tests. Two lines run them on yours:

    class TestAcme(PluginConformance):
        plugin, payloads = "acme", "payloads/*.json"

``payloads``: files beside the test, each the ``vif`` of a ``plug_vif`` cast that the plugin plugs
or refuses. The tests on a scratch host take root and Open vSwitch, and are skipped without.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import inspect
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from oslo_config import cfg

from vif_agent import config
from vif_agent.errors import BindingRefused, HostRefused, InvalidRequest, NoPlugin, Problem
from vif_agent.pci_names import has_placeholder
from vif_agent.plugin_host import discovery, in_process, instantiate
from vif_agent.plugin_host.registry import Installed, PluginRegistry
from vif_agent.plugin_host.sub_process import SubProcessPlugin
from vif_agent.plugins.answers import checked
from vif_agent.plugins.base import GROUP, Plugin
from vif_agent.ports.port import READY, UNPLUGGED
from vif_agent.ports.store import Store
from vif_agent.reconcile.desired import PluginSource
from vif_agent.resources import LINK, Device, Key, Resource
from vif_agent.testing import fixtures, processes
from vif_agent.testing.host import ScratchHost
from vif_agent.testing.plugging import INSTANCE, Ports, new_vif, real_host, rows
from vif_agent.testing.purity import acts
from vif_agent.testing.watch import WriteWatch
from vif_agent.vif import Vif, parse

_REFUSALS = (BindingRefused, InvalidRequest, NoPlugin)
_REFUSED = {error.code for error in _REFUSALS}
_SECONDS = 30.0
_TABLES = ("bridge", "port", "interface")

_settings = settings(
    max_examples=50,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],  # to explain takes minutes, and tells little here
    suppress_health_check=[HealthCheck.differing_executors],
)


class PluginConformance:
    """``plugin``: its entry point's name; ``options``: {group: {option: value}} to ask it under."""

    plugin: ClassVar[str]
    payloads: ClassVar[str]
    options: ClassVar[Mapping[str, Mapping[str, object]]] = {}

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One test for each payload file."""
        if "raw" in metafunc.fixturenames:
            files = _files(type(self))
            vifs = [_read(path) for path in files]
            metafunc.parametrize("raw", vifs, ids=[path.stem for path in files])

    @pytest.fixture(scope="class")
    @classmethod
    def conf(cls, tmp_path_factory: pytest.TempPathFactory) -> cfg.ConfigOpts:
        """A file, for another process reads it too."""
        groups = ({f"[{g}]": "", **v} for g, v in cls.options.items())
        lines = [f"{k} = {v}" if v != "" else str(k) for g in groups for k, v in g.items()]
        path = tmp_path_factory.mktemp("conf") / "vif-agent.conf"
        path.write_text("\n".join(lines))
        conf = cfg.ConfigOpts()
        config.register(conf)
        conf([f"--config-file={path}"], default_config_dirs=[])
        return conf

    # -- what needs no host --------------------------------------------------------------------

    def test_entry_point_loads_and_speaks_a_known_contract(self, conf: Any) -> None:
        """And no other package has the same name."""
        assert isinstance(self._made(conf), Plugin)
        assert not self._candidate().clash

    def test_is_asked_as_the_agent_asks_it(self, conf: Any, raw: dict[str, Any]) -> None:
        """Another package's in a process of its own, which answers what it answers here."""
        candidate, vif = self._candidate(), parse(INSTANCE, raw)
        asked: Installed = (
            in_process.load(candidate, conf) if candidate.own else SubProcessPlugin(candidate, conf)
        )
        plugins = PluginRegistry({raw["type"]: asked})
        try:
            plugins.await_answers([vif], _SECONDS)
            assert _answer(plugins, vif) == _answer(self._made(conf), vif)
        finally:
            plugins.close()

    @_settings
    @given(data=st.data())
    def test_same_vif_has_the_same_answer(
        self, conf: Any, raw: dict[str, Any], data: st.DataObject
    ) -> None:
        """Whatever was asked before, and whoever is asked; and it is nothing but resources."""
        plugin = self._made(conf)
        vif, other = _varied(data, raw), _varied(data, raw)
        answer = _answer(plugin, vif)
        _answer(plugin, other)
        assert _answer(plugin, vif) == answer
        assert _answer(self._made(conf), vif) == answer

    @_settings
    @given(data=st.data())
    def test_does_nothing_but_answer(
        self, conf: Any, raw: dict[str, Any], data: st.DataObject
    ) -> None:
        """No file, socket, process, thread, clock or dice. Imports belong to the module's top."""
        plugin, vif = self._made(conf), _varied(data, raw)
        with acts() as seen:
            _answer(plugin, vif)
        assert not seen, f"it does more than answer: {seen}"

    @_settings
    @given(numbers=st.lists(st.integers(0, 65535), min_size=2, max_size=2, unique=True))
    def test_two_ports_have_nothing_in_common_but_what_is_shared(
        self, conf: Any, raw: dict[str, Any], numbers: list[int]
    ) -> None:
        """Else the unplug of one takes something from the other."""
        one, two = (
            _own(_answer(self._made(conf), parse(INSTANCE, _other(raw, number))))
            for number in numbers
        )
        assert not one & two, f"two ports would have these in common: {one & two}"

    # -- on a scratch host ---------------------------------------------------------------------

    @pytest.fixture(scope="class")
    @classmethod
    def scratch_host(cls) -> Iterator[ScratchHost]:
        """One for all tests of the class: a start costs a second."""
        fixtures.isolate()
        fixtures.must_have_ovs()
        with ScratchHost() as scratch:
            yield scratch

    def test_plug_and_unplug_each_twice(
        self, conf: Any, raw: dict[str, Any], scratch_host: ScratchHost, tmp_path: Path
    ) -> None:
        """The second plug is not one write; the unplug leaves nothing; nor is the second one."""
        plugin = self._made(conf)
        with _ports(plugin, raw, scratch_host, tmp_path) as ports:
            before = _there(scratch_host)
            (port,) = ports.plug(raw)
            _skip_if_the_kernel_refuses(port.problem)
            if not (port.problem and port.problem.code in _REFUSED):
                assert (port.state, port.problem) == (READY, None)
            assert _writes(scratch_host, lambda: ports.plug(raw)) == []
            assert ports.unplug(raw)[0].state == UNPLUGGED
            assert _there(scratch_host) == before
            assert _writes(scratch_host, lambda: ports.unplug(raw)) == []

    def _candidate(self) -> discovery.Candidate:
        found = _candidates()
        assert self.plugin in found, f"no entry point {self.plugin} in {GROUP}: pip install it"
        return found[self.plugin]

    def _made(self, conf: Any) -> Plugin:
        candidate = self._candidate()
        return instantiate.plugin(candidate.entry_point, conf, candidate.own)


@functools.cache
def _candidates() -> Mapping[str, discovery.Candidate]:
    """Reading what is installed takes tens of milliseconds."""
    return discovery.find(GROUP)


def _files(kind: type[PluginConformance]) -> Sequence[Path]:
    files = sorted(Path(inspect.getfile(kind)).parent.glob(kind.payloads))
    assert files, f"no file is {kind.payloads} beside {inspect.getfile(kind)}"
    return files


def _read(path: Path) -> dict[str, Any]:
    """What the agent refuses at the door never reaches the plugin."""
    try:
        raw: dict[str, Any] = json.loads(path.read_text())
        parse(INSTANCE, raw)
    except (ValueError, InvalidRequest) as error:
        raise pytest.Collector.CollectError(f"{path}: {error}") from None
    return raw


def _answer(plugin: PluginSource, vif: Vif) -> tuple[Resource, ...] | str:
    """Or how the VIF is refused; anything else that is raised is a bug of the plugin."""
    try:
        return checked(plugin.resources(vif))
    except _REFUSALS as error:
        return f"{error.code}: {error}"


def _own(answer: tuple[Resource, ...] | str) -> set[Key]:
    return set() if isinstance(answer, str) else {r.key for r in answer if not r.shared}


def _other(raw: dict[str, Any], number: int) -> dict[str, Any]:
    """Another port, with a device of its own if it has one."""
    vif = new_vif(raw, number)
    if (vif.get("profile") or {}).get("pci_slot"):
        slot = f"0000:{number >> 8:02x}:{(number >> 3) & 31:02x}.{number & 7}"
        vif["profile"] = {**vif["profile"], "pci_slot": slot}
    return vif


def _varied(data: st.DataObject, raw: dict[str, Any]) -> Vif:
    """What else Neutron may say of such a port."""
    vif = _other(copy.deepcopy(raw), data.draw(st.integers(0, 65535)))
    network, vif["details"] = vif.get("network") or {}, vif.get("details") or {}
    vif["network"] = {**network, "meta": network.get("meta") or {}}
    vif["devname"] = data.draw(st.sampled_from([vif["devname"], None]))
    vif["vnic_type"] = data.draw(st.sampled_from([vif.get("vnic_type"), "normal", "direct"]))
    vif["network"]["meta"]["mtu"] = data.draw(st.none() | st.integers(68, 65521))
    vif["network"]["bridge"] = data.draw(st.sampled_from([vif["network"].get("bridge"), None]))
    for key in data.draw(st.sets(st.sampled_from([*vif["details"], "none"]))):
        vif["details"].pop(key, None)
    try:
        return parse(INSTANCE, vif)
    except InvalidRequest:  # at the door already
        assume(False)
        raise


@contextlib.contextmanager
def _ports(plugin: Plugin, raw: Any, scratch: ScratchHost, directory: Path) -> Iterator[Ports]:
    answer = _answer(plugin, parse(INSTANCE, raw))
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


def _skip_if_the_kernel_refuses(problem: Problem | None) -> None:
    if problem and problem.code == HostRefused.code:
        pytest.skip(problem.message)


def _there(scratch: ScratchHost) -> object:
    """Every link and OVS row by name, with what makes it that one."""
    scratch.ovs.sync()  # a bridge that is removed has a device until then
    links = {name: link["ifindex"] for name, link in scratch.links().items()}
    names = {table: sorted(row["name"] for row in rows(scratch.ovs, table)) for table in _TABLES}
    return links, names, len(rows(scratch.ovs, "qos"))


def _writes(scratch: ScratchHost, act: Callable[[], object]) -> list[str]:
    with WriteWatch(scratch.ovs) as watch:
        return watch.of(act)


@contextlib.contextmanager
def _lent(names: Sequence[str]) -> Iterator[None]:
    """Stand-ins for the devices that others make: ends of veth pairs."""
    for number, name in enumerate(names):
        pair = (name, "type", "veth", "peer", "name", f"lent{number}")
        processes.run(("ip", "link", "add", *pair), os.environ)
    yield
    for name in names:
        processes.run(("ip", "link", "del", name), os.environ)
