"""Firewall drivers of other packages: found by name, never imported, refused with the reason."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import foreign
from vif_agent import __version__
from vif_agent.firewall.base import GROUP

SOURCE = """
import json, os, struct, sys
from oslo_config import cfg

class Good(FirewallDriver):
    contract = "1.0"
    aliases = {"former": "3.0"}

    @classmethod
    def from_conf(cls, conf):
        conf.register_opts([cfg.StrOpt("word")], "acme")
        if conf.acme.word:
            raise KeyError(conf.acme.word)
        return cls()

    def guard(self, vif):
        return None

class Forges(Good):
    # says by its channel what the worker would not let pass
    def guard(self, vif):
        item = {"kind": "Guard", "name": "tap-of-another", "macs": [vif.mac], "pairs": []}
        said = json.dumps({"resources": [item]}).encode()
        os.write(int(sys.argv[1]), struct.pack("!I", len(said)) + said)

class Future(Good):
    contract = "2.0"

class Silent(Good):
    contract = ""

class NoDriver:
    contract = "1.0"

class One(Good):
    aliases = {"once": "2.0"}
"""
DRIVERS = {
    "acme": "Good",
    "nftables": "Good",
    "forges": "Forges",
    "future": "Future",
    "silent": "Silent",
    "no_driver": "NoDriver",
    "gone": "Missing",
    "one": "One",
    "two": "One",
    "twice": "Good",
}
SHOW = """
print(json.dumps([plugins.drivers.listed(), "other_driver" in sys.modules]))
plugins.close()
"""
ACME = {
    "driver": "acme",
    "package": "other-driver 1.0",
    "contract": "1.0",
    "used": True,
    "deprecated": None,
    "error": None,
}


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two packages of others are installed here."""
    directory = tmp_path_factory.mktemp("others")
    foreign.package(directory, "other-driver", SOURCE, DRIVERS, group=GROUP)
    foreign.package(directory, "third-driver", SOURCE, {"twice": "Good"}, "2.0", GROUP)
    return directory


def _load(others: Path, driver: str, more: str = "") -> subprocess.CompletedProcess[str]:
    return foreign.load(others, f"[firewall]\ndriver = {driver}\n{more}", SHOW)


def _lines(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    lines, imported = json.loads(done.stdout)
    assert not imported
    return {line["driver"]: line for line in lines}


def test_driver_is_used_by_its_name_and_never_imported(others: Path) -> None:
    done = _load(others, "acme")
    lines = _lines(done)
    assert lines["acme"] == ACME
    assert lines.keys() == {*DRIVERS, "noop"}
    assert lines["noop"] == {**ACME, "driver": "noop", "package": f"vif-agent {__version__}",
                             "used": False}  # fmt: skip
    assert lines["one"] == {**ACME, "driver": "one", "contract": None, "used": False}
    assert lines["twice"]["error"].startswith("offered by other-driver 1.0 and third-driver 2.0")


def test_own_driver_is_not_replaced_by_one_of_its_name(others: Path) -> None:
    done = _load(others, "nftables")
    assert _lines(done)["nftables"]["package"] == f"vif-agent {__version__}"
    (reported,) = [line for line in done.stderr.splitlines() if "driver nftables " in line]
    assert "other-driver 1.0 and vif-agent " in reported
    assert "[firewall] driver" in reported


def test_former_name_is_understood_with_a_hint(others: Path) -> None:
    source = others / "named"
    source.mkdir()
    foreign.package(source, "other-driver", SOURCE, {"acme": "Good", "one": "One"}, group=GROUP)
    done = _load(source, "former")
    assert _lines(done)["acme"] == {**ACME, "deprecated": "3.0"}
    assert _lines(done)["one"]["used"] is False
    assert (
        "WARNING [firewall] driver = former is a former name of firewall driver acme (other-driver "
        "1.0): it is deprecated and goes in release 3.0 of its package"
    ) in done.stderr.splitlines()


@pytest.mark.parametrize(
    ("driver", "words"),
    [
        (
            "nobodys",
            "expected one of acme, forges, future, gone, nftables, no_driver, noop, one, silent",
        ),
        ("future", "(future cannot: contract 2.0 is not known to this agent, which speaks 1.0)"),
        ("silent", "(silent cannot: contract: expected a version such as '1.0', got '')"),
        ("no_driver", "NoDriver is no subclass of vif_agent.firewall.base.FirewallDriver)"),
        ("gone", "has no attribute 'Missing'"),
        ("twice", "(twice cannot: offered by other-driver 1.0 and third-driver 2.0: uninstall"),
        (
            "once",
            "(once cannot: a former name of one (other-driver 1.0) and two (other-driver 1.0): "
            "uninstall all but one), got 'once'",
        ),
    ],
)
def test_driver_that_cannot_be_used_keeps_the_agent_from_starting(
    others: Path, driver: str, words: str
) -> None:
    done = _load(others, driver)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith("[firewall] driver: expected one ")
    assert words in done.stderr.splitlines()[-1]


ASK = """
import json, sys
from vif_agent.errors import PluginFailed
from vif_agent.plugin_host.protocol import Order
from vif_agent.plugin_host.worker_process import WorkerProcess
from vif_agent.vif import parse

process = WorkerProcess(Order(sys.argv[1], "forges", "other-driver", (), (), 20, 20))
process.load()
try:
    print(process.ask(parse({}, json.loads(sys.argv[2]))))
except PluginFailed as error:
    print(error)
process.end()
"""


def test_answer_is_checked_on_this_side_too(
    others: Path, payload: Callable[[str], dict[str, Any]]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ASK, GROUP, json.dumps(payload("bridge"))],
        env=foreign.environment(others),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.startswith("answered a Guard of device 'tap-of-another', and the port's is")


def test_option_of_a_driver_is_read_in_its_process(others: Path) -> None:
    done = _load(others, "acme", "[acme]\nword = nonsense\n")
    assert "(acme cannot: KeyError('nonsense')), got 'acme'" in done.stderr.splitlines()[-1]
