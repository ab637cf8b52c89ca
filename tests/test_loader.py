"""Plugins are found by their entry points; a broken one hurts nobody but its own ports."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from oslo_config import cfg

from tests.examples import INSTANCE
from vif_agent import config
from vif_agent.errors import BindingRefused, NoPlugin, PluginFailed
from vif_agent.plugins import loader
from vif_agent.plugins.base import Plugin
from vif_agent.plugins.bridge import BridgePlugin
from vif_agent.plugins.loader import Plugins
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
from vif_agent.plugins.base import Plugin
from vif_agent.resources import Tap

class Good(Plugin):
    def resources(self, vif):
        return [Tap(name="foreign0")]

class BadConf(Plugin):
    @classmethod
    def from_conf(cls, conf):
        raise KeyError("no such option")

    def resources(self, vif):
        return []
"""
ENTRY_POINTS = """[vif_agent.plugins]
good = foreign_plugin:Good
bad_conf = foreign_plugin:BadConf
no_class = foreign_plugin:Missing
no_module = foreign_plugin_that_is_not_there:Good
"""
LOAD = """
from oslo_config import cfg
from vif_agent import config
from vif_agent.plugins import loader
conf = cfg.ConfigOpts()
config.register(conf)
conf([])
plugins = loader.load(conf)
print(*sorted(plugins.loaded))
print(*sorted(plugins.broken))
print(plugins.loaded["good"].resources(None)[0].name)
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


def test_load_finds_the_shipped_plugins() -> None:
    plugins = loader.load(_conf())
    assert set(plugins.loaded) >= SHIPPED
    assert plugins.broken == {}
    assert plugins.loaded["ovs"] == OvsPlugin()
    assert plugins.loaded["bridge"] == BridgePlugin()


def test_load_gives_plugins_their_options(tmp_path: Path) -> None:
    path = tmp_path / "agent.conf"
    path.write_text(
        "[ovs]\nintegration_bridge = br-x\nisolate = never\n[bridge]\ncreate_tap = true"
    )
    plugins = loader.load(_conf("--config-file", str(path)))
    assert plugins.loaded["ovs"] == OvsPlugin(integration_bridge="br-x", isolate="never")
    assert plugins.loaded["bridge"] == BridgePlugin(create_tap=True)


def test_load_contains_broken_plugins_of_another_package(tmp_path: Path) -> None:
    (tmp_path / "foreign_plugin.py").write_text(FOREIGN)
    info = tmp_path / "foreign_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    done = subprocess.run(
        [sys.executable, "-c", LOAD],
        env={"PYTHONPATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    loaded, broken, name = done.stdout.splitlines()
    assert set(loaded.split()) == {*SHIPPED, "good"}
    assert broken.split() == ["bad_conf", "no_class", "no_module"]
    assert name == "foreign0"


def _raise(error: Exception) -> Any:
    raise error


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda: _raise(ZeroDivisionError("oops")), "ZeroDivisionError('oops')"),
        (lambda: _raise(RecursionError()), "RecursionError"),
        (lambda: None, "NoneType"),
        (lambda: 7, "int"),
        (lambda: ["tap0"], "'tap0'"),
        (lambda: [Tap(name="a"), None], "None"),
        (lambda: Tap(name="a"), "Tap"),
        (lambda: (_raise(KeyError("late")) for _ in [1]), "KeyError('late')"),
    ],
)
def test_plugin_that_raises_or_answers_nonsense_has_failed(
    payload: Payload, answer: Callable[[], Any], said: str
) -> None:
    plugins = Plugins({"tap": Answering(answer)})
    with pytest.raises(PluginFailed, match=r"^plugin tap ") as failed:
        plugins.resources(parse(INSTANCE, payload("tap")))
    assert said in str(failed.value)


def test_refusal_of_a_plugin_is_passed_on(payload: Payload) -> None:
    plugins = Plugins({"tap": Answering(lambda: _raise(BindingRefused("no")))})
    with pytest.raises(BindingRefused, match=r"^no$"):
        plugins.resources(parse(INSTANCE, payload("tap")))


def test_unknown_vif_type_is_refused_with_the_known_ones(payload: Payload) -> None:
    plugins = Plugins({"tap": Answering(list), "ovs": Answering(list)}, {"ivs": "ImportError"})
    vif = payload("tap")
    with pytest.raises(NoPlugin, match=r"^vif\.type: expected one of ovs, tap, got 'midonet'$"):
        plugins.resources(parse(INSTANCE, {**vif, "type": "midonet"}))
    with pytest.raises(NoPlugin, match=r"^plugin ivs does not load: ImportError$"):
        plugins.resources(parse(INSTANCE, {**vif, "type": "ivs"}))
