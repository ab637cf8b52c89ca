"""Plugins are found by the names of their entry points; the agent's own are asked where it runs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from oslo_config import cfg

from tests.support import foreign
from tests.support.examples import INSTANCE
from vif_agent import config
from vif_agent.errors import BindingRefused, NoPlugin, PluginFailed
from vif_agent.plugin_host import loader
from vif_agent.plugin_host.in_process import InProcessPlugin
from vif_agent.plugin_host.registry import PluginRegistry
from vif_agent.plugins.base import Plugin
from vif_agent.plugins.bridge import BridgePlugin
from vif_agent.plugins.ovs import OvsPlugin
from vif_agent.resources import Tap
from vif_agent.vif import Vif, parse

Payload = Callable[[str], dict[str, Any]]

SHIPPED = {
    "ovs", "bridge", "tap", "hw_veb", "macvtap", "agilio_ovs", "vhostuser", "hostdev_physical",
    "802.1qbg", "802.1qbh", "noop", "midonet", "iovisor", "ivs", "vrouter", "ib_hostdev",
    "mlnx_direct", "binding_failed", "unbound",
}  # fmt: skip
FOREIGN = """
import enum, sys

class Names(enum.StrEnum):
    FORMER = "once"

class Good(Plugin):
    contract = "1.0"
    aliases = {"former": "3.0"}

    def resources(self, vif):
        return [Tap(name="foreign0")]

class BadConf(Good):
    @classmethod
    def from_conf(cls, conf):
        raise KeyError("no such option")

class Enumerated(Good):
    aliases = {Names.FORMER: "3.0"}

class Future(Good):
    contract = "1.1"

class Silent(Plugin):
    resources = Good.resources

class BadAliases(Good):
    aliases = ["former"]

class Leaving(Good):
    @classmethod
    def from_conf(cls, conf):
        sys.exit("had enough")

class NoPlugin:
    contract = "1.0"
"""
PLUGINS = {
    "good": "Good",
    "enumerated": "Enumerated",
    "bad_conf": "BadConf",
    "no_class": "Missing",
    "future": "Future",
    "silent": "Silent",
    "bad_aliases": "BadAliases",
    "leaving": "Leaving",
    "no_plugin": "NoPlugin",
    "tap": "Good",
}
REASONS = {
    "bad_conf": "KeyError('no such option')",
    "no_class": "has no attribute 'Missing'",
    "future": "contract 1.1 is not known to this agent, which speaks 1.0",
    "silent": "contract: expected a version such as '1.0', got ''",
    "bad_aliases": "aliases: expected {former name: release}, got ['former']",
    "leaving": "SystemExit('had enough')",
    "no_plugin": "other_plugin:NoPlugin is no subclass of vif_agent.plugins.base.Plugin",
    "twice": "offered by other-plugin 1.0 and third-plugin 2.0: uninstall all but one",
}
SHOW = """
for name in ("former", "former"):
    plugins.why_not(name)
print(json.dumps({line["vif_type"]: line for line in plugins.listed(["lost"])}))
plugins.close()
print("other_plugin" in sys.modules)
"""


class Answering(Plugin):
    def __init__(self, answer: Callable[[], Any]) -> None:
        self._answer = answer

    def resources(self, vif: Vif) -> Any:
        return self._answer()


def _conf(*arguments: str) -> Any:
    conf = cfg.ConfigOpts()
    config.register(conf)
    conf(list(arguments))
    return conf


def _plugin(plugins: PluginRegistry, name: str) -> Plugin | None:
    found = plugins.installed[name]
    assert isinstance(found, InProcessPlugin)
    return found.plugin


def test_load_finds_the_shipped_plugins() -> None:
    plugins = loader.load(_conf())
    assert set(plugins.installed) >= SHIPPED
    assert {plugin.error for plugin in plugins.installed.values()} == {""}
    assert _plugin(plugins, "ovs") == OvsPlugin()
    assert _plugin(plugins, "bridge") == BridgePlugin()


def test_load_gives_plugins_their_options(tmp_path: Path) -> None:
    path = tmp_path / "agent.conf"
    path.write_text(
        "[ovs]\nintegration_bridge = br-x\nisolate = never\n[bridge]\ncreate_tap = true"
    )
    plugins = loader.load(_conf("--config-file", str(path)))
    assert _plugin(plugins, "ovs") == OvsPlugin(integration_bridge="br-x", isolate="never")
    assert _plugin(plugins, "bridge") == BridgePlugin(create_tap=True)


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two packages of others are installed here."""
    directory = tmp_path_factory.mktemp("others")
    foreign.package(directory, "other-plugin", FOREIGN, {**PLUGINS, "twice": "Good"})
    foreign.package(directory, "third-plugin", FOREIGN, {"twice": "Good"}, "2.0")
    return directory


def _load(others: Path, *override: str) -> subprocess.CompletedProcess[str]:
    return foreign.load(others, "[plugins]\noverride = " + ", ".join(override), SHOW)


def test_load_contains_broken_plugins_of_another_package(others: Path) -> None:
    done = _load(others)
    output, imported = done.stdout.splitlines()
    lines = json.loads(output)
    assert imported == "False"
    assert {*SHIPPED, *PLUGINS, "twice", "former", "lost"} <= lines.keys()
    good = {"plugin": "good", "package": "other-plugin 1.0", "contract": "1.0", "error": None}
    assert lines["good"] == {"vif_type": "good", "deprecated": None, **good}
    assert lines["former"] == {"vif_type": "former", "deprecated": "3.0", **good}
    assert lines["lost"]["error"] == "not installed, and ports need it"
    for name, reason in REASONS.items():
        assert reason in lines[name]["error"], name
        reported = [line for line in done.stderr.splitlines() if f"Plugin {name} " in line]
        assert len(reported) == 1, done.stderr
        assert reason in reported[0]


def test_own_plugin_is_not_replaced_by_one_of_its_name(others: Path) -> None:
    done = _load(others)
    assert json.loads(done.stdout.splitlines()[0])["tap"]["package"].startswith("vif-agent ")
    (reported,) = [line for line in done.stderr.splitlines() if "Plugin tap " in line]
    assert "other-plugin 1.0 and vif-agent " in reported
    assert "[plugins] override" in reported


def test_former_name_warns_once_of_the_new_one_and_the_release(others: Path) -> None:
    (reported,) = [line for line in _load(others).stderr.splitlines() if "renamed" in line]
    assert reported == (
        "WARNING Plugin good (other-plugin 1.0) was renamed: its former name former is "
        "deprecated and goes in release 3.0 of its package"
    )


@pytest.mark.parametrize("name", ["good", "former"])
def test_override_is_honoured(others: Path, name: str) -> None:
    lines = json.loads(_load(others, f"ovs:{name}", "tap : tap").stdout.splitlines()[0])
    assert (lines["ovs"]["plugin"], lines["ovs"]["package"]) == ("good", "other-plugin 1.0")
    assert lines["tap"]["plugin"] == "tap"


@pytest.mark.parametrize(
    ("override", "output"),
    [
        (["ovs:gone"], "expected an installed plugin (802.1qbg, 802.1qbh, agilio_ovs, bad_aliases"),
        (["ovz:good"], "expected a vif_type that is known (802.1qbg, "),
        (["ovs:future"], "(future cannot: contract 1.1 is not known to this agent"),
        (["ovs:bad_conf"], "(bad_conf cannot: KeyError('no such option'))"),
        (["ovs:twice"], "(twice cannot: offered by other-plugin 1.0 and third-plugin 2.0"),
        (["ovs:good", "ovs:tap"], "expected ovs once, got 'ovs:tap'"),
        (["ovs=good"], "expected vif_type:plugin, got 'ovs=good'"),
        (["ovs:"], "expected vif_type:plugin, got 'ovs:'"),
    ],
)
def test_override_that_cannot_be_honoured_is_refused(
    others: Path, override: list[str], output: str
) -> None:
    done = _load(others, *override)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith("[plugins] override: expected ")
    assert output in done.stderr.splitlines()[-1]


def _raise(error: Exception) -> Any:
    raise error


@pytest.mark.parametrize(
    ("answer", "output"),
    [
        (lambda: _raise(ZeroDivisionError("oops")), "ZeroDivisionError('oops')"),
        (lambda: _raise(RecursionError()), "RecursionError"),
        (lambda: None, "None"),
        (lambda: 7, "7"),
        (lambda: ["tap0"], "'tap0'"),
        (lambda: [Tap(name="a"), None], "None"),
        (lambda: Tap(name="a"), "Tap"),
        (lambda: (_raise(KeyError("late")) for _ in [1]), "KeyError('late')"),
    ],
)
def test_plugin_that_raises_or_answers_nonsense_has_failed(
    payload: Payload, answer: Callable[[], Any], output: str
) -> None:
    plugins = PluginRegistry({"tap": Answering(answer)})
    with pytest.raises(PluginFailed, match=r"^plugin tap ") as failed:
        plugins.resources(parse(INSTANCE, payload("tap")))
    assert output in str(failed.value)


def test_former_name_of_two_plugins_is_neithers(payload: Payload) -> None:
    """Else it would be whose name comes first, or who loads first."""
    one, two = Answering(list), Answering(list)
    one.aliases = two.aliases = {"former": "2.0", "one": "3.0"}  # type: ignore[misc]
    plugins = PluginRegistry(
        {"one": InProcessPlugin("one", one, "a 1.0"), "two": InProcessPlugin("two", two, "b 2.0")}
    )
    why = "a former name of one and two: uninstall all but one"
    with pytest.raises(NoPlugin, match=why):
        plugins.resources(parse(INSTANCE, {**payload("tap"), "type": "former"}))
    assert plugins.why_not("former") == why
    (line,) = [line for line in plugins.listed() if line["vif_type"] == "former"]
    assert (line["package"], line["error"]) == ("a 1.0 and b 2.0", why)
    assert plugins.named("one") == plugins.installed["one"]


def test_refusal_of_a_plugin_is_passed_on(payload: Payload) -> None:
    plugins = PluginRegistry({"tap": Answering(lambda: _raise(BindingRefused("no")))})
    with pytest.raises(BindingRefused, match=r"^no$"):
        plugins.resources(parse(INSTANCE, payload("tap")))


def test_unknown_vif_type_is_refused_with_the_known_ones(payload: Payload) -> None:
    broken = InProcessPlugin("ivs", None, "ivs-vif 1.0", "ImportError")
    plugins = PluginRegistry({"tap": Answering(list), "ovs": Answering(list), "ivs": broken})
    vif = payload("tap")
    with pytest.raises(NoPlugin, match=r"^vif\.type: expected one of ovs, tap, got 'midonet'$"):
        plugins.resources(parse(INSTANCE, {**vif, "type": "midonet"}))
    with pytest.raises(NoPlugin, match=r"^plugin ivs cannot be used: ImportError$"):
        plugins.resources(parse(INSTANCE, {**vif, "type": "ivs"}))
