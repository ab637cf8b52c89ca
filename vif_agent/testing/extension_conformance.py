"""What the suites for plugins and for firewall drivers share."""

from __future__ import annotations

import copy
import functools
import inspect
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from oslo_config import cfg

from vif_agent import config
from vif_agent.contract import Extension
from vif_agent.errors import (
    BindingRefused,
    HostRefused,
    InvalidRequest,
    NoPlugin,
    Problem,
    VifAgentError,
)
from vif_agent.plugin_host import discovery, instantiate
from vif_agent.plugin_host.kinds import Kind
from vif_agent.resources import Resource
from vif_agent.testing import fixtures
from vif_agent.testing.host import ScratchHost
from vif_agent.testing.plugging import INSTANCE, new_vif, rows
from vif_agent.testing.purity import acts
from vif_agent.testing.watch import WriteWatch
from vif_agent.vif import Vif, parse

REFUSED = {error.code for error in (BindingRefused, InvalidRequest, NoPlugin)}
SECONDS = 30.0
_TABLES = ("bridge", "port", "interface")

#: what is answered, or how the VIF is refused
Answer = tuple[Resource, ...] | str

SETTINGS = settings(
    max_examples=50,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],  # to explain takes minutes, and tells little here
    suppress_health_check=[HealthCheck.differing_executors],
)


class ExtensionConformance:
    """``payloads``: files beside the test; ``options``: {group: {option: value}} to ask under."""

    kind: ClassVar[Kind]
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

    @pytest.fixture(scope="class")
    @classmethod
    def scratch_host(cls) -> Iterator[ScratchHost]:
        """One for all tests of the class: a start costs a second."""
        fixtures.isolate()
        fixtures.must_have_ovs()
        with ScratchHost() as scratch:
            yield scratch

    # -- what needs no host --------------------------------------------------------------------

    def test_entry_point_loads_and_speaks_a_known_contract(self, conf: Any) -> None:
        """And no other package has the same name."""
        assert isinstance(self.made(conf), self.kind.base)
        assert not self.candidate().clash

    @SETTINGS
    @given(data=st.data())
    def test_same_vif_has_the_same_answer(
        self, conf: Any, raw: dict[str, Any], data: st.DataObject
    ) -> None:
        """Whatever was asked before, and whoever is asked; and it is nothing but an answer."""
        made = self.made(conf)
        vif, other = self._varied(data, raw), self._varied(data, raw)
        answer = self.answer(made, vif)
        self.answer(made, other)
        assert self.answer(made, vif) == answer
        assert self.answer(self.made(conf), vif) == answer

    @SETTINGS
    @given(data=st.data())
    def test_does_nothing_but_answer(
        self, conf: Any, raw: dict[str, Any], data: st.DataObject
    ) -> None:
        """No file, socket, process, thread, clock or dice. Imports belong to the module's top."""
        made, vif = self.made(conf), self._varied(data, raw)
        with acts() as seen:
            self.answer(made, vif)
        assert not seen, f"it does more than answer: {seen}"

    # -- for those that inherit ----------------------------------------------------------------

    def name(self) -> str:
        """Of the entry point."""
        raise NotImplementedError

    def more(self, data: st.DataObject, vif: dict[str, Any]) -> None:
        """Says in ``vif`` what else Neutron may say, and this kind looks at."""

    def candidate(self) -> discovery.Candidate:
        """As it is installed."""
        found, name = _candidates(self.kind.group), self.name()
        assert name in found, f"no entry point {name} in {self.kind.group}: pip install it"
        return found[name]

    def made(self, conf: Any) -> Extension:
        """A new one, in this process."""
        candidate = self.candidate()
        return instantiate.extension(self.kind, candidate.entry_point, conf, candidate.own)

    def answer(self, extension: Extension, vif: Vif) -> Answer:
        """Anything that is raised but a refusal is a bug of its."""
        return answered(lambda: self.kind.answer(extension, vif))

    def _varied(self, data: st.DataObject, raw: dict[str, Any]) -> Vif:
        """What else Neutron may say of such a port."""
        vif = other(copy.deepcopy(raw), data.draw(st.integers(0, 65535)))
        network, vif["details"] = vif.get("network") or {}, vif.get("details") or {}
        vif["network"] = {**network, "meta": network.get("meta") or {}}
        vif["devname"] = data.draw(st.sampled_from([vif["devname"], None]))
        vif["vnic_type"] = data.draw(st.sampled_from([vif.get("vnic_type"), "normal", "direct"]))
        vif["network"]["meta"]["mtu"] = data.draw(st.none() | st.integers(68, 65521))
        vif["network"]["bridge"] = data.draw(st.sampled_from([vif["network"].get("bridge"), None]))
        for key in data.draw(st.sets(st.sampled_from([*vif["details"], "none"]))):
            vif["details"].pop(key, None)
        self.more(data, vif)
        try:
            return parse(INSTANCE, vif)
        except InvalidRequest:  # at the door already
            assume(False)
            raise


def answered(ask: Callable[[], Sequence[Resource]]) -> Answer:
    """What it answers, or how it refuses, be it from another process."""
    try:
        return tuple(ask())
    except VifAgentError as error:
        if error.code not in REFUSED:
            raise
        return f"{error.code}: {error}"


def other(raw: dict[str, Any], number: int) -> dict[str, Any]:
    """Another port, with a device of its own if it has one."""
    vif = new_vif(raw, number)
    if (vif.get("profile") or {}).get("pci_slot"):
        slot = f"0000:{number >> 8:02x}:{(number >> 3) & 31:02x}.{number & 7}"
        vif["profile"] = {**vif["profile"], "pci_slot": slot}
    return vif


def skip_if_the_kernel_refuses(problem: Problem | None) -> None:
    """What it has not is not the author's fault."""
    if problem and problem.code == HostRefused.code:
        pytest.skip(problem.message)


def there(scratch: ScratchHost) -> object:
    """Every link and OVS row by name, with what makes it that one."""
    scratch.ovs.sync()  # a bridge that is removed has a device until then
    links = {name: link["ifindex"] for name, link in scratch.links().items()}
    names = {table: sorted(row["name"] for row in rows(scratch.ovs, table)) for table in _TABLES}
    return links, names, len(rows(scratch.ovs, "qos"))


def writes(scratch: ScratchHost, act: Callable[[], object]) -> list[str]:
    """To links and to Open vSwitch, by doing it."""
    with WriteWatch(scratch.ovs) as watch:
        return watch.of(act)


@functools.cache
def _candidates(group: str) -> Mapping[str, discovery.Candidate]:
    """Reading what is installed takes tens of milliseconds."""
    return discovery.find(group)


def _files(kind: type[ExtensionConformance]) -> Sequence[Path]:
    files = sorted(Path(inspect.getfile(kind)).parent.glob(kind.payloads))
    assert files, f"no file is {kind.payloads} beside {inspect.getfile(kind)}"
    return files


def _read(path: Path) -> dict[str, Any]:
    """What the agent refuses at the door reaches neither plugin nor driver."""
    try:
        raw: dict[str, Any] = json.loads(path.read_text())
        parse(INSTANCE, raw)
    except (ValueError, InvalidRequest) as error:
        raise pytest.Collector.CollectError(f"{path}: {error}") from None
    return raw
