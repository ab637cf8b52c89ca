"""What follows from what was read: tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from oslo_config import cfg

from vif_agent import config
from vif_agent.bus.declared import Seen
from vif_agent.cmd.status import broker, kernel, open_vswitch, options, plugins
from vif_agent.cmd.status.finding import failure, good, result, warning
from vif_agent.cmd.status.kernel import Need
from vif_agent.cmd.status.options import Given
from vif_agent.cmd.status.trial import GUARDS, ROUTED_GUARDS, TAP
from vif_agent.health import Sign
from vif_agent.resources import Bridge, OvsPort, Tap, Veth

GOOD, WARNING, FAILURE = 0, 1, 2
QUORUM = {"rabbit_quorum_queue": True}
LASTING = {**QUORUM, "rabbit_transient_quorum_queue": True}


def test_the_worst_counts_and_comes_first() -> None:
    said = result([good("a"), warning("b"), failure("c"), warning("d")])
    assert (said.code, said.details) == (FAILURE, "(1) c (2) b (3) d")
    assert (result([good("a")]).code, result([good("a")]).details) == (GOOD, "a")
    assert (result([]).code, result([]).details) == (GOOD, None)


def rabbit(**given: Any) -> Any:
    from oslo_messaging import opts

    conf = cfg.ConfigOpts()
    for group, declared in opts.list_opts():
        conf.register_opts(declared, group)
    for name, value in given.items():
        conf.set_override(name, value, "oslo_messaging_rabbit")
    return conf


@pytest.mark.parametrize(
    ("product", "release", "given", "code", "says"),
    [
        ("RabbitMQ", "3.10.8", {}, GOOD, "RabbitMQ 3.10.8"),
        ("RabbitMQ", "4.0.5", QUORUM, GOOD, "RabbitMQ 4.0.5"),
        ("RabbitMQ", "3.7.28", {}, WARNING, "the tests of this release run with"),
        ("RabbitMQ", "3.7.28", QUORUM, FAILURE, "has no quorum queues"),
        ("RabbitMQ", "4.3.0", {}, FAILURE, "refuses queues that are not durable"),
        ("RabbitMQ", "4.3.0", QUORUM, FAILURE, "rabbit_transient_quorum_queue = true"),
        ("RabbitMQ", "4.3.0", LASTING, GOOD, "RabbitMQ 4.3.0"),
        ("RabbitMQ", "5.0.0", LASTING, WARNING, "the tests of this release run with"),
        ("LavinMQ", "2.0", {}, WARNING, "only RabbitMQ is tried"),
        ("", "", {}, WARNING, "only RabbitMQ is tried"),
    ],
)
def test_release_of_the_broker(
    product: str, release: str, given: dict[str, Any], code: int, says: str
) -> None:
    said = result(broker.judged(Seen(product, release, [], []), rabbit(**given)))
    assert (said.code, says in (said.details or "")) == (code, True), said.details


def test_queues_of_the_broker() -> None:
    seen = Seen("RabbitMQ", "3.10.8", ["queue x"], ["queue y"])
    said = result(broker.judged(seen, rabbit()))
    assert (said.code, said.details) == (FAILURE, "(1) queue x (2) queue y")


@pytest.fixture
def conf(tmp_path: Path) -> Callable[[str], Any]:
    """Of a file with these lines."""

    def make(lines: str) -> Any:
        (tmp_path / "vif-agent.conf").write_text(lines)
        made = cfg.ConfigOpts()
        config.register(made)
        made([f"--config-file={tmp_path / 'vif-agent.conf'}"])
        return made

    return make


MAPPED = "[network]\nphysical_interface_mappings = physnet1:eth7\n"
NO_TAP = "[ovs]\ncreate_tap = never\n"


@pytest.mark.parametrize(
    ("lines", "guards", "must", "may"),
    [
        ("", (False, False), set(), {TAP}),
        ("", (True, False), set(), {TAP, GUARDS}),
        ("", (True, True), {GUARDS}, {TAP}),
        ("[firewall]\nrouted_taps = true\n", (True, True), {ROUTED_GUARDS}, {TAP}),
        (NO_TAP, (False, False), set(), {TAP}),
        (NO_TAP + "[bridge]\nwire_taps = true\n", (False, False), {"bridge"}, set()),
        ("[ovs]\ncreate_tap = always\n", (False, False), {TAP}, {TAP}),
        ("[bridge]\ncreate_tap = true\n", (False, False), {TAP}, {TAP}),
        (MAPPED, (False, False), {"bridge"}, {"vlan", TAP}),
        (MAPPED + "type_drivers = flat\n", (False, False), {"bridge"}, {TAP}),
        ("[network]\nvxlan_local_ip = 192.0.2.1\n", (False, False), {"vxlan"}, {TAP}),
    ],
)
def test_what_options_need_of_the_kernel(
    conf: Callable[[str], Any],
    lines: str,
    guards: tuple[bool, bool],
    must: set[str],
    may: set[str],
) -> None:
    needs = list(kernel.of_options(conf(lines), guards))
    assert {need.what for need in needs if need.must} == must
    assert {need.what for need in needs if not need.must} == may


def test_what_ports_need_of_the_kernel() -> None:
    hybrid = [
        Bridge(name="qbr1"), Veth(name="qvb1", peer="qvo1"), Veth(name="qvo1", peer="qvb1"),
        OvsPort(name="qvo1", bridge="br-int"),
    ]  # fmt: skip
    needs = list(kernel.of_ports([hybrid, hybrid, [Tap(name="tap1")]]))
    found = {(need.what, need.why.split()[0], need.must) for need in needs}
    assert found == {("bridge", "2", True), (TAP, "1", True), ("veth", "2", True)}


def test_what_the_kernel_lacks() -> None:
    needs = [Need("vlan", "why", must=False), Need("vxlan", "why", must=True), Need("a", "", True)]
    lacks = {"vlan": "Operation not supported"}
    assert result(kernel.judged(needs, lacks)).code == WARNING
    said = result(kernel.judged(needs, {**lacks, "vxlan": "no"}))
    assert (said.code, said.details) == (
        FAILURE, "(1) vxlan: no; why (2) vlan: Operation not supported; why",
    )  # fmt: skip
    said = result(kernel.judged(needs, {}))
    assert (said.code, said.details) == (GOOD, "the kernel has a, vlan, vxlan")


@pytest.mark.parametrize(
    ("sign", "ports", "code"),
    [
        (Sign(True), 3, GOOD),
        (Sign(None, "away"), 0, GOOD),
        (Sign(None, "away"), 3, FAILURE),
        (Sign(False, "away"), 0, WARNING),
        (Sign(False, "away"), 3, FAILURE),
    ],
)
def test_open_vswitch(sign: Sign, ports: int, code: int) -> None:
    assert open_vswitch.judged(sign, ports).code == code


KNOWN = {
    ("DEFAULT", "host"): cfg.StrOpt("host"),
    ("cleanup", "interval"): cfg.IntOpt("interval", deprecated_name="pause"),
    ("cleanup", "moved"): cfg.IntOpt("moved", deprecated_group="DEFAULT"),
    ("cleanup", "old"): cfg.IntOpt(
        "old", deprecated_for_removal=True, deprecated_reason="nobody\n needs it"
    ),
}


@pytest.mark.parametrize(
    ("group", "name", "says"),
    [
        ("DEFAULT", "host", None),
        ("DEFAULT", "config_file", None),
        ("cleanup", "interval", None),
        ("cleanup", "pause", "is deprecated: it is called [cleanup] interval now"),
        ("DEFAULT", "moved", "is deprecated: it is called [cleanup] moved now"),
        ("cleanup", "old", "is deprecated, and goes: nobody needs it"),
        ("DEFAULT", "hosts", "is unknown, and without effect; is host meant?"),
        ("DEFAULT", "interval", "is unknown, and without effect; is that of [cleanup] meant?"),
        ("DEFAULT", "whatever", "is unknown, and without effect"),
        ("cleanups", "interval", "there is no such group; is [cleanup] meant?"),
        ("acme", "interval", None),
    ],
)
def test_options_of_a_file(group: str, name: str, says: str | None) -> None:
    said = list(options.judged([Given("x.conf", group, name)], KNOWN))
    if says is None:
        assert said == []
    else:
        assert [one.code for one in said] == [WARNING]
        assert said[0].words.removeprefix(f"[{group}] {name} (x.conf)").lstrip(": ") == says


LINE = {
    "vif_type": "acme", "plugin": "acme", "package": "acme-vif 1.0", "contract": "1.0",
    "deprecated": None, "error": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("more", "needed", "code", "says"),
    [
        ({}, 0, GOOD, "loads"),
        ({"package": "vif-agent 0.1.0"}, 0, GOOD, ""),
        ({"error": "it broke"}, 0, WARNING, "it broke"),
        ({"error": "it broke"}, 2, FAILURE, "which 2 ports have: it broke"),
        ({"error": "not installed", "package": None, "contract": None}, 1, FAILURE, "no package"),
        ({"deprecated": "3.0"}, 0, GOOD, ""),
        ({"deprecated": "3.0"}, 1, WARNING, "goes in release 3.0"),
    ],
)
def test_plugins(more: dict[str, Any], needed: int, code: int, says: str) -> None:
    said = result(plugins.judged([{**LINE, **more}], {"acme": needed}))
    assert (said.code, says in (said.details or "")) == (code, True), said.details


@pytest.mark.parametrize(
    ("more", "code"),
    [({}, GOOD), ({"error": "x"}, FAILURE), ({"error": "x", "used": False}, GOOD),
     ({"deprecated": "2.0"}, WARNING)],
)  # fmt: skip
def test_firewall_drivers(more: dict[str, Any], code: int) -> None:
    line = {"driver": "acme", "package": "acme 1", "used": True, "error": None, "deprecated": None}
    assert result(plugins.of_driver([{**line, **more}])).code == code
