"""An author's package, from its own wheel to a plugged port; and a package that goes missing."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.casting import CONTEXT, Site, Vif, wait_for
from tests.support.environment import Environment
from tests.support.real_host import row
from vif_agent import __version__
from vif_agent.helper import guards
from vif_agent.testing.daemon import HOST, Daemon
from vif_agent.testing.host import ScratchHost

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
EXAMPLE, DRIVER = EXAMPLES / "acme-vif", EXAMPLES / "acme-guard"
ACME = {
    "vif_type": "acme",
    "plugin": "acme",
    "package": "acme-vif 1.0",
    "contract": "1.0",
    "deprecated": None,
    "error": None,
    "kind": "plugin",
}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    made = Environment(tmp_path_factory.mktemp("author"))
    made.install(EXAMPLE)
    made.install(DRIVER)
    return made


@pytest.fixture
def site(environment: Environment, scratch_with_bus: ScratchHost) -> Iterator[Site]:
    options = {"acme": {"bridge": "br-sdn"}, "plugins": {"override": "tap:tap"}}
    with Site(scratch_with_bus, "threading", options, argv=environment.agent) as running:
        yield running


@pytest.fixture
def vif() -> Vif:
    found: Vif = json.loads((EXAMPLE / "tests" / "payloads" / "acme.json").read_text())
    return found


def _listed(environment: Environment, site: Site) -> list[dict[str, Any]]:
    argv = ("vif-agentctl", "--config-file", str(site.daemon.config_file), "plugin", "list")
    answer: list[dict[str, Any]] = json.loads(environment.run(*argv, "-f", "json"))
    return answer


def _plugins(environment: Environment, site: Site) -> dict[str, Vif]:
    return {line["vif_type"]: line for line in _listed(environment, site)}


@pytest.mark.parametrize("example", [EXAMPLE, DRIVER], ids=lambda path: path.name)
def test_example_passes_its_own_tests_in_its_environment(
    environment: Environment, example: Path
) -> None:
    """The conformance suite among them, on a scratch host of its own."""
    if example == DRIVER and (missing := guards.lacks()):
        pytest.skip(f"the kernel cannot guard ports: {missing}")
    answer = environment.run(
        "python", "-m", "pytest", "-q", "-pno:cacheprovider",
        cwd=environment.directory / example.name,
    )  # fmt: skip
    assert " passed" in answer
    assert "skipped" not in answer


def test_installed_example_is_listed_and_plugs(
    environment: Environment, site: Site, vif: Vif
) -> None:
    listed = _plugins(environment, site)
    assert listed["acme"] == ACME
    assert listed["acmesdn"] == {**ACME, "vif_type": "acmesdn", "deprecated": "2.0"}
    assert listed["ovs"]["package"] == f"vif-agent {__version__}"
    assert site.plug(vif)["state"] == "ready"
    ids = row(site.host.ovs, "interface", "acm3c2a1f06-8f")["external_ids"]
    assert (ids["acme-policy"], ids["vif-agent"]) == ("web", vif["id"])
    assert site.host.ovs.vsctl("list-ports", "br-sdn").split() == ["acm3c2a1f06-8f"]
    assert site.writes(lambda: site.plug(vif)) == []
    assert site.unplug(vif)["state"] == "unplugged"
    payload = str(EXAMPLE / "tests" / "payloads" / "acme.json")
    conf = ("--config-file", str(site.daemon.config_file))
    for local in ((), ("--local",)):
        answer = environment.run("vif-agentctl", *conf, *local, "plan", "plug", payload)
        assert answer.splitlines()[0] == "create: make tun acm3c2a1f06-8f"
    assert "br-sdn" not in site.host.ovs.vsctl("list-br")


def test_former_name_plugs_and_warns(site: Site, vif: Vif) -> None:
    assert site.plug({**vif, "type": "acmesdn"})["state"] == "ready"
    assert "its former name acmesdn is deprecated and goes in release 2.0" in site.daemon.log()


def test_request_of_a_package_that_is_missing_waits_for_its_return(
    environment: Environment, site: Site, vif: Vif, scratch_with_bus: ScratchHost
) -> None:
    """Its port is left as it is meanwhile, others are plugged, and operators are told."""
    other = {**vif, "id": "4" + vif["id"][1:], "address": "fa:16:3e:0a:c3:e2"}
    site.plug(vif)
    site.daemon.stop()
    before = site.host.links().keys()
    without = Daemon(
        scratch_with_bus, site.rabbit.url, {"bridge": {"create_tap": True}},
        argv=(str(Path(sys.executable).parent / "vif-agent"),),
    )  # fmt: skip
    with without:
        reported = "1 ports of vif_type acme: no plugin: expected one of "
        wait_for(lambda: reported in without.log(), "a line that says so")
        site.plug(other, wait=None)
        wait_for(lambda: site.port(other)["state"] == "error", "the other's failure")
        assert site.port(other)["error"]["code"] == "no_plugin"
        assert "expected one of" in site.port(vif)["error"]["message"]
        lines = {p["vif_type"]: p for p in site.api.list_plugins(CONTEXT, HOST)}
        assert lines["acme"]["error"] == "not installed, and ports need it"
        assert site.host.links().keys() == before
    site.daemon.start()
    wait_for(lambda: site.states() == {"ready"}, "both ports")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("ovs:gone", "expected an installed plugin (802.1qbg, 802.1qbh, acme, agilio_ovs"),
        ("oops:acme", "expected a vif_type that is known"),
        ("ovs:acme, ovs:tap", "expected ovs once"),
    ],
)
def test_agent_does_not_run_with_an_override_that_it_cannot_honour(
    environment: Environment, scratch_with_bus: ScratchHost, override: str, words: str
) -> None:
    options = {"plugins": {"override": override}}
    daemon = Daemon(scratch_with_bus, "kombu+memory://", options, argv=environment.agent)
    daemon.launch()
    assert daemon.process
    assert daemon.process.wait(60) == 2
    (line,) = [line for line in daemon.log().splitlines() if "Cannot start" in line][-1:]
    assert "[plugins] override: " + words in line


def test_override_is_honoured_to_the_port(
    environment: Environment, scratch_with_bus: ScratchHost, vif: Vif
) -> None:
    options = {"plugins": {"override": "ovs:acme"}}
    with Site(scratch_with_bus, "eventlet", options, argv=environment.agent) as site:
        assert site.plug({**vif, "type": "ovs"})["state"] == "ready"
        assert "acm3c2a1f06-8f" in site.host.links()
        assert _plugins(environment, site)["ovs"] == {**ACME, "vif_type": "ovs"}


@pytest.mark.parametrize(("name", "deprecated"), [("acme", None), ("acmewall", "2.0")])
def test_installed_driver_is_listed_and_guards(
    environment: Environment, scratch_with_bus: ScratchHost, name: str, deprecated: str | None
) -> None:
    if missing := guards.lacks():
        pytest.skip(f"the kernel cannot guard ports: {missing}")
    vif: Vif = json.loads((DRIVER / "tests" / "payloads" / "bridge.json").read_text())
    options: dict[str, dict[str, object]] = {
        "firewall": {"driver": name},
        "acme_guard": {"networks": "203.0.113.0/28"},
    }
    with Site(scratch_with_bus, "threading", options, argv=environment.agent) as site:
        drivers = {p["plugin"]: p for p in _listed(environment, site) if p["kind"] != "plugin"}
        assert drivers["acme"] == {
            **ACME, "vif_type": None, "package": "acme-guard 1.0", "deprecated": deprecated,
            "kind": "firewall driver, used",
        }  # fmt: skip
        assert drivers["nftables"]["kind"] == "firewall driver"
        assert ("is a former name of firewall driver acme" in site.daemon.log()) == bool(deprecated)
        assert site.plug(vif)["state"] == "ready"
        pairs = site.port(vif)["guard"]["pairs"]
        assert f"{vif['address']} 203.0.113.0/28" in pairs
        assert site.writes(lambda: site.plug(vif)) == []
        assert site.unplug(vif)["state"] == "unplugged"
        assert site.api.get_firewall(CONTEXT, HOST)["guards"] == []
