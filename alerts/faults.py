"""The faults, each by the name of the alert that must come of it."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar, Self

from tests.metrics.test_scrape import Watched
from tests.support.casting import CONTEXT, Vif, numbered, wait_for
from tests.support.examples import INSTANCE, PAYLOADS
from tests.support.operating import frozen
from vif_agent.metrics.listener import Answer, Listener
from vif_agent.ownership import alias
from vif_agent.testing.daemon import HOST
from vif_agent.testing.frames import TapEnd

Fault = Callable[["Faults"], contextlib.AbstractContextManager[None]]

_MANY = 25
_AGE_SECONDS = 1000.0
_LINKS = 60_000  # events: more than there is room for
_BALLAST = 1 << 16
_PATIENCE = 120.0


class Faults:
    """The program of vif_type midonet fails while ``fails`` is there, the plugin acme hangs while
    ``hangs`` is. ``page``: of a second target, at the port ``other``."""

    all: ClassVar[dict[str, Fault]] = {}

    def __init__(self, site: Watched, directory: Path, disk: Path, other: int) -> None:
        self.site, self.disk = site, disk
        self.fails, self.hangs = directory / "fails", directory / "hangs"
        self.page = ""
        pages = {"/metrics": lambda: Answer(self.page.encode())}
        self._listener = Listener(("127.0.0.1", other), pages)

    def __enter__(self) -> Self:
        self._listener.begin()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.end()

    def vif(self, name: str, number: int | None = None) -> Vif:
        vif: Vif = json.loads((Path(PAYLOADS) / f"{name}.json").read_text())
        return vif if number is None else numbered(vif, number)


def fault(alert: str) -> Callable[[Callable[[Faults], Iterator[None]]], object]:
    def enter(induce: Callable[[Faults], Iterator[None]]) -> object:
        Faults.all[alert] = contextlib.contextmanager(induce)
        return induce

    return enter


@fault("VifAgentDown")
def _stopped(faults: Faults) -> Iterator[None]:
    faults.site.daemon.stop()
    yield
    faults.site.daemon.start()


@fault("VifAgentLoopStalled")
def _helper_hangs(faults: Faults) -> Iterator[None]:
    with frozen(faults.site.daemon.helper_pid()):
        faults.site.plug(faults.vif("tap"), wait=None)
        yield
    faults.site.settled()


@fault("VifAgentStoreFailing")
def _disk_full(faults: Faults) -> Iterator[None]:
    ballast = faults.disk / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(_BALLAST))
    for number in range(40):
        faults.site.plug(faults.vif("tap", 3000 + number), wait=None)
    yield
    ballast.unlink()
    faults.site.settled()


@fault("VifAgentOvsdbAway")
def _ovsdb_killed(faults: Faults) -> Iterator[None]:
    faults.site.host.ovs.kill_ovsdb()
    faults.site.plug(faults.vif("ovs_create_tap"), wait=None)
    yield
    faults.site.host.ovs.start_ovsdb()
    faults.site.host.ovs.stop_vswitchd()
    faults.site.host.ovs.start_vswitchd()
    faults.site.settled()


@fault("VifAgentPortStuck")
def _waits_for_long(faults: Faults) -> Iterator[None]:
    """The clock of the request is put back, for five minutes are long."""
    faults.fails.touch()
    faults.site.plug(faults.vif("midonet"), wait=None)
    wait_for(lambda: "retrying" in faults.site.states(), "a port that is tried again")
    faults.site.daemon.stop()
    with contextlib.closing(
        sqlite3.connect(faults.site.daemon.state_path / "vif-agent.sqlite")
    ) as store:
        store.execute("UPDATE ports SET received_at = received_at - ?", (_AGE_SECONDS,))
        store.commit()
    faults.site.daemon.start()
    yield
    faults.fails.unlink()
    faults.site.settled()


@fault("VifAgentPortsInError")
def _refused(faults: Faults) -> Iterator[None]:
    faults.site.cast("plug_vif", instance=INSTANCE, vif=faults.vif("binding_failed"))
    yield


@fault("VifAgentPlugErrors")
def _many_refused(faults: Faults) -> Iterator[None]:
    for number in range(8):
        vif = numbered({**faults.vif("binding_failed"), "devname": "tap"}, 4000 + number)
        faults.site.cast("plug_vif", instance=INSTANCE, vif=vif)
        time.sleep(0.5)  # an increase is between two scrapes
    yield


@fault("VifAgentPlugSlow")
def _ovsdb_slow(faults: Faults) -> Iterator[None]:
    with frozen(faults.site.host.ovs.ovsdb):
        for number in range(3):
            faults.site.plug(faults.vif("ovs_create_tap", 5000 + number), wait=None)
        time.sleep(7)  # this is the fault
    faults.site.settled()
    yield


@fault("VifAgentBusAway")
def _broker_stopped(faults: Faults) -> Iterator[None]:
    faults.site.rabbit.stop()
    yield
    faults.site.rabbit.start()
    faults.site.rejoined()
    wait_for(lambda: faults.site.api.get_status(CONTEXT, HOST), "an answer", _PATIENCE)


@fault("VifAgentFight")
def _fight(faults: Faults) -> Iterator[None]:
    vif = faults.vif("tap")
    faults.site.plug(vif)
    for _ in range(8):
        wait_for(lambda: vif["devname"] in faults.site.host.links(), "the tap", 60)
        with contextlib.suppress(RuntimeError):
            faults.site.host.ip("link", "delete", vif["devname"])
    yield


@fault("VifAgentDriftStorm")
def _storm(faults: Faults) -> Iterator[None]:
    vifs = [faults.vif("tap", 6000 + number) for number in range(2 * _MANY)]
    names = {vif["devname"] for vif in vifs}
    for vif in vifs:
        faults.site.plug(vif, wait=None)
    faults.site.settled()
    for _ in range(3):
        links = faults.site.host.links()
        for vif in vifs:
            if vif["devname"] in links:
                faults.site.host.ip("link", "delete", vif["devname"])
        wait_for(lambda: names <= faults.site.host.links().keys(), "all repaired", 60)
    yield


@fault("VifAgentOrphans")
def _orphans(faults: Faults) -> Iterator[None]:
    names = [f"tapff0000{number:02x}-00" for number in range(_MANY)]
    for name in names:
        faults.site.host.ip("tuntap", "add", "mode", "tap", "name", name)
        faults.site.host.ip("link", "set", name, "alias", alias(str(uuid.uuid4())))
    faults.site.api.repair(CONTEXT, HOST)
    yield
    for name in names:
        faults.site.host.ip("link", "delete", name)
    faults.site.api.repair(CONTEXT, HOST)


@fault("VifAgentDeadPorts")
def _dead(faults: Faults) -> Iterator[None]:
    vsctl, names = faults.site.host.ovs.vsctl, [f"tapdead{number}" for number in range(6)]
    for name in names:
        identity = f"external_ids:iface-id={uuid.uuid4()}"
        vsctl("--no-wait", "add-port", "br-int", name, "--", "set", "interface", name, identity)
    yield
    for name in names:
        vsctl("del-port", "br-int", name)


@fault("VifAgentPluginDown")
def _plugin_hangs(faults: Faults) -> Iterator[None]:
    faults.hangs.touch()
    faults.site.plug({**faults.vif("tap"), "type": "acme"}, wait=None)
    yield
    faults.hangs.unlink()


@fault("VifAgentCommandFailing")
def _command_fails(faults: Faults) -> Iterator[None]:
    faults.fails.touch()
    faults.site.plug(faults.vif("midonet"), wait=None)
    yield
    faults.fails.unlink()
    faults.site.settled()


@fault("VifAgentEventsLost")
def _lost(faults: Faults) -> Iterator[None]:
    faults.site.host.ip("tuntap", "add", "mode", "tap", "name", "busy")
    lines = "".join(f"link set busy mtu {1000 + n % 500}\n" for n in range(_LINKS))
    with frozen(faults.site.daemon):
        subprocess.run(("ip", "-batch", "-"), input=lines, text=True, check=True)
    yield
    faults.site.host.ip("link", "delete", "busy")


@fault("VifAgentRestarts")
def _restarts(faults: Faults) -> Iterator[None]:
    for _ in range(3):
        faults.site.daemon.kill()
        faults.site.daemon.start()
        time.sleep(1.5)  # so that each is scraped
    yield


@fault("VifAgentSpoofing")
def _spoofs(faults: Faults) -> Iterator[None]:
    """The counters are read every 15 seconds."""
    vif = faults.vif("bridge")
    faults.site.plug(vif)
    frame = bytes.fromhex("ffffffffffff0200000000010800") + bytes(46)
    with TapEnd(vif["devname"], faults.site.host.own_tun_device()) as guest:
        faults.site.host.ip("link", "set", vif["devname"], "up")
        for _ in range(40):
            for _ in range(50):
                guest.send(frame)
            time.sleep(0.5)
        yield


@fault("VifAgentVersionSkew")
def _two_versions(faults: Faults) -> Iterator[None]:
    faults.page = 'vif_agent_build_info{version="99"} 1\n'
    yield
    faults.page = ""
