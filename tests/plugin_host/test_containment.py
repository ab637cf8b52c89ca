"""A plugin of another package that goes wrong, however it does, hurts its own ports alone."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import foreign
from tests.support.casting import CONTEXT, MODES, Site, Vif, nic, numbered, wait_for
from tests.support.examples import INSTANCE
from vif_agent.bus.api import PlugFailed
from vif_agent.testing.daemon import HOST
from vif_agent.testing.host import ScratchHost

Payload = Callable[[str], Vif]

AGENT = str(Path(sys.executable).parent / "vif-agent")
LIMIT = 5  # seconds, [plugins] timeout: nobody else may take so long
SOURCE = """
import os, subprocess, sys, threading, time
from vif_agent.errors import BindingRefused, InvalidRequest

class Good(Plugin):
    contract = "1.0"

    def resources(self, vif):
        return self.answer(vif, "tap" + vif.short_id)

    def answer(self, vif, name):
        return [Tap(name=name, mtu=vif.mtu)]

class Raises(Good):
    def answer(self, vif, name):
        return {}["nothing"]

class Loops(Good):
    def answer(self, vif, name):
        while vif.mtu != 1442:
            pass
        return super().answer(vif, name)

class Slow(Good):
    # a second for each, until it need not be slow any more
    def answer(self, vif, name):
        until = time.monotonic() + 1
        while time.monotonic() < until and not os.path.exists(__file__ + ".fast"):
            time.sleep(0.01)
        return super().answer(vif, name)

class Dies(Good):
    def answer(self, vif, name):
        os._exit(7)

class Once(Good):
    # as if its package were broken by an upgrade
    upgraded = __file__ + ".upgraded"

    @classmethod
    def from_conf(cls, conf):
        if os.path.exists(cls.upgraded):
            raise KeyError("no such option")
        return cls()

    def answer(self, vif, name):
        open(self.upgraded, "w").close()
        os._exit(7)

class Leaves(Good):
    def answer(self, vif, name):
        raise SystemExit

class Hogs(Good):
    def answer(self, vif, name):
        hoard = [bytes(1 << 28) for _ in range(100)]

class Chatty(Good):
    def answer(self, vif, name):
        raise BindingRefused("not here\\nnor \\udcff there, " + "and so on " * 1_000_000)

class OwnProblem(Good):
    def answer(self, vif, name):
        class Mine(InvalidRequest):
            problem = "hello"
        raise Mine("vif.id", 1, "two")

class Cries(Good):
    def answer(self, vif, name):
        raise KeyError("no " * 10_000_000)

class Forks(Good):
    def answer(self, vif, name):
        subprocess.run(["sleep", "86399"])

class Threads(Good):
    def answer(self, vif, name):
        threading.Thread(target=time.sleep, args=(86399,)).start()
        return super().answer(vif, name)

class Scribbles(Good):
    def answer(self, vif, name):
        for fd in range(3, 1000):
            try:
                os.write(fd, b"\\0\\0\\0\\4evil")
            except OSError:
                pass
        return super().answer(vif, name)

class Drips(Good):
    # a byte now and then is no answer
    def answer(self, vif, name):
        os.write(int(sys.argv[1]), b"\\0\\0\\1\\0")
        while True:
            os.write(int(sys.argv[1]), b" ")
            time.sleep(0.2)

class Peeks(Good):
    # the agent's memory has the broker's password in it, the helper's a way to change links
    def answer(self, vif, name):
        children = open(f"/proc/{os.getppid()}/task/{os.getppid()}/children").read().split()
        said = set()
        for pid in [os.getppid(), children[0]]:
            try:
                open(f"/proc/{pid}/mem", "rb").close()
                said.add("open")
            except OSError as error:
                said.add(error.strerror)
        raise BindingRefused(f"memory: {said}")

class Future(Good):
    contract = "9.9"

class Nic(Good):
    def answer(self, vif, name):
        return [Bridge(name="eth1", shared=True, mtu=vif.mtu)]

class NicInOvs(Good):
    def answer(self, vif, name):
        return [OvsPort(name="eth1", shared=True, bridge="br-int")]

class ForgetsShared(Good):
    def answer(self, vif, name):
        return [Bridge(name="brq-of-all"), Tap(name=name, master="brq-of-all")]

class Vendor(Good):
    def answer(self, vif, name):
        return [Command(plug=("acme-ctl", "add", name))]

class BorrowsNic(Good):
    def answer(self, vif, name):
        return [Device(name="eth1", mtu=vif.mtu, up=False)]

class WrongType(Good):
    def answer(self, vif, name):
        return [Tap(name=name, mtu="1500")]

class BadName(Good):
    def answer(self, vif, name):
        return [Tap(name="a/b")]

class Thousands(Good):
    def answer(self, vif, name):
        return (Tap(name=f"tap{n}") for n in range(10**12))

class Own(Tap):
    pass

class OwnKind(Good):
    def answer(self, vif, name):
        return [Own(name=name)]

class Twice(Good):
    def answer(self, vif, name):
        return [Tap(name=name, mtu=1400), Tap(name=name, mtu=1500)]
"""
#: class, error code, words of the message
BAD = {
    "raises": ("Raises", "plugin_failed", "plugin raises raised KeyError('nothing')"),
    "dies": ("Dies", "plugin_failed", "plugin dies ended instead of answering (exit status 7)"),
    "leaves": ("Leaves", "plugin_failed", "plugin leaves raised SystemExit()"),
    "hogs": ("Hogs", "plugin_failed", "plugin hogs raised MemoryError()"),
    "future": ("Future", "no_plugin", "contract 9.9 is not known to this agent"),
    "nic": ("Nic", "conflict", "eth1 exists, is a veth and is not ours"),
    "nic_in_ovs": ("NicInOvs", "conflict", "eth1 exists, is a veth and is not ours"),
    "forgets_shared": ("ForgetsShared", "conflict", "may not have brq-of-all for one port"),
    "vendor": ("Vendor", "command_not_allowed", "[commands] allowed does not say where"),
    "borrows_nic": ("BorrowsNic", "conflict", "plugin borrows_nic may not borrow eth1"),
    "wrong_type": ("WrongType", "plugin_failed", "answered a Tap whose mtu is '1500'"),
    "bad_name": ("BadName", "plugin_failed", "answered a Tap whose name is 'a/b'"),
    "thousands": ("Thousands", "plugin_failed", "answered more than 100 resources"),
    "own_kind": ("OwnKind", "plugin_failed", "which is none of vif_agent.resources"),
    "twice": ("Twice", "plugin_failed", "answered two resources of one name: link tap"),
    "chatty": ("Chatty", "binding_refused", r"not here\nnor \udcff there, and so on and"),
    "own_problem": ("OwnProblem", "invalid_request", "vif.id: expected two, got 1"),
    "cries": ("Cries", "plugin_failed", "plugin cries raised KeyError('no no no"),
    "forks": ("Forks", "plugin_failed", f"plugin forks did not answer within {LIMIT} s"),
    "scribbles": ("Scribbles", "plugin_failed", "plugin scribbles said what is no answer: "),
    "drips": ("Drips", "plugin_failed", f"plugin drips did not answer within {LIMIT} s"),
    "peeks": ("Peeks", "binding_refused", "memory: {'Permission denied'}"),
    "loops": ("Loops", "plugin_failed", f"plugin loops did not answer within {LIMIT} s"),
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    installed = tmp_path_factory.mktemp("installed")
    plugins = {name: bad[0] for name, bad in BAD.items()}
    plugins |= {"good": "Good", "slow": "Slow", "threads": "Threads", "once": "Once"}
    foreign.package(installed, "bad-plugins", SOURCE, plugins)
    return installed


@pytest.fixture
def upgraded(installed: Path) -> Iterator[Path]:
    """Of plugin ``once``: the next agent finds it as it was."""
    mark = installed / "bad_plugins.py.upgraded"
    yield mark
    mark.unlink()


@pytest.fixture(scope="module", params=MODES)
def site(
    request: pytest.FixtureRequest, scratch_with_bus: ScratchHost, installed: Path
) -> Iterator[Site]:
    argv = ("env", f"PYTHONPATH={installed}", AGENT)
    options = {"plugins": {"timeout": LIMIT}}
    with nic("eth1"), Site(scratch_with_bus, request.param, options, argv=argv) as running:
        yield running


@pytest.fixture
def port(payload: Payload) -> Callable[..., Vif]:
    """A VIF of this type."""

    def make(vif_type: str, number: int, mtu: int = 1450) -> Vif:
        vif = numbered({**payload("tap"), "type": vif_type}, number)
        vif["network"]["meta"]["mtu"] = mtu
        return vif

    return make


def _plug_others(site: Site, port: Callable[..., Vif], first: int) -> float:
    """Ports of the agent's own plugins; the seconds that the slowest took."""
    longest = 0.0
    for number in range(first, first + 5):
        began = time.monotonic()
        assert site.plug(port("tap", number))["state"] == "ready"
        longest = max(longest, time.monotonic() - began)
    return longest


@pytest.mark.parametrize("name", BAD)
def test_bad_plugin_fails_its_own_port_alone(
    site: Site, port: Callable[..., Vif], name: str
) -> None:
    bad, (_, code, words) = port(name, 1), BAD[name]
    nic_before = site.host.links()["eth1"]
    site.plug(bad, wait=None)
    assert _plug_others(site, port, 100) < LIMIT
    wait_for(lambda: site.port(bad)["state"] == "error", "the failure")
    error = site.port(bad)["error"]
    assert (error["code"], words in error["message"]) == (code, True), error
    assert len(error["message"]) < 1100
    assert site.host.links()["eth1"] == nic_before
    assert site.plug(port("good", 2))["state"] == "ready"
    site.unplug_all()
    assert "Reconcile broke" not in site.daemon.log()


def test_good_plugin_plugs_by_its_process(site: Site, port: Callable[..., Vif]) -> None:
    before = site.host.links().keys()
    vifs = [port("good", number) for number in range(300, 340)]
    for vif in vifs:
        site.plug(vif, wait=None)
    site.settled()
    assert len(site.host.links().keys() - before) == 40
    assert site.writes(lambda: site.plug(vifs[0])) == []
    site.unplug_all()
    assert site.host.links().keys() == before


def test_slow_plugin_keeps_only_its_own_ports_waiting(
    site: Site, port: Callable[..., Vif], installed: Path
) -> None:
    fast = installed / "bad_plugins.py.fast"
    fast.unlink(missing_ok=True)
    slow = [port("slow", number) for number in range(400, 420)]  # twenty seconds' work
    for vif in slow:
        site.plug(vif, wait=None)
    assert _plug_others(site, port, 450) < LIMIT
    assert site.port(slow[-1])["state"] == "pending"
    fast.touch()
    site.settled()
    wait_for(lambda: site.states() == {"ready"}, "the slow plugin's ports")
    site.unplug_all()


def test_ports_of_a_plugin_that_hung_fail_at_once_and_are_plugged_after_its_rest(
    site: Site, port: Callable[..., Vif]
) -> None:
    culprit, others = port("loops", 500), [port("loops", n, mtu=1442) for n in range(501, 511)]
    with pytest.raises(PlugFailed, match="did not answer"):
        site.plug(culprit)
    began = time.monotonic()
    for vif in others:
        site.plug(vif, wait=None)
    wait_for(lambda: site.port(others[-1])["state"] == "retrying", "an answer for the last")
    assert time.monotonic() - began < 10 * LIMIT
    error = site.port(others[-1])["error"]
    assert error["code"] == "plugin_failed"
    why = f"it did not answer within {LIMIT} s on port {culprit['id']}"
    assert f"rests for a while: {why}" in str(error)
    wait_for(lambda: {site.port(vif)["state"] for vif in others} == {"ready"}, "the ports", 60)
    assert site.port(culprit)["state"] == "error"
    site.unplug_all()


def test_plugin_that_does_not_load_any_more_says_why(
    site: Site, port: Callable[..., Vif], upgraded: Path
) -> None:
    with pytest.raises(PlugFailed, match="exit status 7"):
        site.plug(port("once", 520))
    assert upgraded.exists()
    site.plug(port("once", 521), wait=None)
    wait_for(lambda: site.port(port("once", 521))["state"] == "error", "the end of its rest", 60)
    error = site.port(port("once", 521))["error"]
    words = "plugin once does not load any more: KeyError('no such option')"
    assert (error["code"], error["message"]) == ("plugin_failed", words)
    site.unplug_all()


def test_dry_run_asks_the_process_too(site: Site, port: Callable[..., Vif]) -> None:
    for vif_type, words in (("good", "create: make tun tap"), ("raises", "raised KeyError")):
        vif = port(vif_type, 600)
        reported = site.api.plan(CONTEXT, HOST, "plug_vif", instance=INSTANCE, vif=vif)
        assert words in reported["text"]


def test_process_of_a_plugin_holds_nothing_of_the_agents(site: Site) -> None:
    """No capability, also for root; no socket, file or lock but its channel."""
    for pid in _plugins(site):
        lines = (line.partition(":\t") for line in (pid / "status").read_text().splitlines())
        status = {key: value for key, _, value in lines}
        for which in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
            assert int(status[which], 16) == 0
        assert status["NoNewPrivs"] == "1"
        assert status["Threads"] == "1"
        held = {os.readlink(fd).partition(":")[0] for fd in (pid / "fd").iterdir()}
        assert held == {"/dev/null", str(site.daemon.log_file), "socket"}, held


def test_processes_end_with_the_agent(site: Site, port: Callable[..., Vif]) -> None:
    site.plug(port("threads", 701))
    site.plug(port("loops", 700), wait=None)
    wait_for(lambda: site.port(port("loops", 700))["state"] != "unknown", "the wish")
    pids = _plugins(site)
    site.daemon.kill()
    wait_for(lambda: not any(_lives(pid) for pid in pids), "their end")
    site.daemon.start()
    pids = _plugins(site)
    assert site.daemon.stop() == 0
    wait_for(lambda: not any(_lives(pid) for pid in pids), "their end")
    site.daemon.start()
    site.unplug_all()


def test_what_a_plugin_has_started_ends_with_it(site: Site, port: Callable[..., Vif]) -> None:
    (plugin,) = [
        pid for pid in _plugins(site) if (pid / "cmdline").read_text().endswith("\0forks\0")
    ]
    with pytest.raises(PlugFailed, match="did not answer"):
        site.plug(port("forks", 800))
    wait_for(lambda: int(plugin.name) not in _groups(), "their end")
    site.unplug_all()


def _lives(process: Path) -> bool:
    """A zombie has ended: whose parent has died may stay one, where PID 1 reaps none."""
    try:
        return _stat(process)[0] != "Z"
    except OSError:
        return False


def _stat(process: Path) -> list[str]:
    """Its state, parent and group."""
    return (process / "stat").read_text().rpartition(")")[2].split()[:3]


def _groups() -> set[int]:
    """Of all processes that live."""
    groups = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            groups |= {int(_stat(process)[2])} if _lives(process) else set()
    return groups


def _plugins(site: Site) -> list[Path]:
    """The processes of plugins, of the ports that are not broken."""
    assert site.daemon.process
    pid = site.daemon.process.pid
    children = Path(f"/proc/{pid}/task").glob("*/children")
    pids = [Path("/proc", child) for tids in children for child in tids.read_text().split()]
    found = [
        pid for pid in pids if b"vif_agent.plugin_host.worker" in (pid / "cmdline").read_bytes()
    ]
    assert found
    return found
