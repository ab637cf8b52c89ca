"""Ports that a vendor's command tells somebody of, on the real host: run once, undone once."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.casting import wait_for
from tests.real_host import Ports, Vif, all_plugins, everything, ip, links, new_vif, real_host
from tests.standins import Standins
from vif_agent.host import RealHost
from vif_agent.host.programs import Programs
from vif_agent.plugins.base import Plugin
from vif_agent.resources import Command, Device, OvsPort, Resource
from vif_agent.store import PLUG, UNPLUG, Port, Store
from vif_agent.testing.host import ScratchHost
from vif_agent.testing.ovs import PrivateOvs
from vif_agent.vif import Vif as Parsed

Load = Callable[[str], Vif]

PROGRAMS = ("mm-ctl", "ifc_ctl", "ivs-ctl", "ebrctl", "vrouter-port-control", "fp", "checked")
INSTANCE, PROJECT = "0b2a3f6e-5a7c-4c7e-9d0c-1f6f0c8d3b5a", "7b1f6f0f3c4e4a7f9d7d3a4b5c6d7e8f"
NETWORK = "8f11e0f7-47bd-5943-8227-5142f7c4752c"
MIDONET, IOVISOR = "c45f0df2-15bc-5d76-9881-dc3231784f69", "94f5dbc6-8402-592a-a963-bdf7707593ec"
VROUTER = "7d3d3930-f8b7-5fd4-913b-67952c506848"
VERBS = ("plug", "unplug", "check")


class Ran(NamedTuple):
    """What is run for a payload's plug and unplug, and the device that is there meanwhile."""

    plug: list[str]
    unplug: list[str]


RUNS = {
    "midonet": Ran(
        [f"mm-ctl --bind-port {MIDONET} tapc45f0df2-15 | tapc45f0df2-15"],
        [f"mm-ctl --unbind-port {MIDONET}"],
    ),
    "iovisor": Ran(
        [
            "ifc_ctl gateway add_port tap94f5dbc6-84 | tap94f5dbc6-84",
            f"ifc_ctl gateway ifup tap94f5dbc6-84 access_vm {IOVISOR} fa:16:3e:5a:00:21"
            f" pgtag2={NETWORK} pgtag1={PROJECT} | tap94f5dbc6-84",
        ],
        [
            "ifc_ctl gateway ifdown tap94f5dbc6-84 | tap94f5dbc6-84",
            "ifc_ctl gateway del_port tap94f5dbc6-84 | tap94f5dbc6-84",
        ],
    ),
    "ivs": Ran(
        ["ivs-ctl add-port tap76ba2c11-15 | tap76ba2c11-15"],
        ["ivs-ctl del-port tap76ba2c11-15 | tap76ba2c11-15"],
    ),
    "ivs_hybrid": Ran(
        ["ivs-ctl add-port qvo0c00fd71-ce | qvo0c00fd71-ce"],
        ["ivs-ctl del-port qvo0c00fd71-ce | qvo0c00fd71-ce"],
    ),
    "vrouter": Ran(
        [
            f"vrouter-port-control --oper=add --uuid={VROUTER} --instance_uuid={INSTANCE}"
            f" --vn_uuid={NETWORK} --vm_project_uuid={PROJECT} --ip_address=192.0.2.17"
            " --ipv6_address=2001:db8:1::17 --vm_name=instance-0000002a --mac=fa:16:3e:5a:00:24"
            " --tap_name=tap7d3d3930-f8 --port_type=NovaVMPort --tx_vlan_id=-1 --rx_vlan_id=-1"
        ],
        [f"vrouter-port-control --oper=delete --uuid={VROUTER}"],
    ),
    "ib_hostdev": Ran(
        [f"ebrctl add-port fa:16:3e:5a:00:25 {INSTANCE} ibfabric1 ib_hostdev 0000:03:10.3"],
        ["ebrctl del-port ibfabric1 fa:16:3e:5a:00:25"],
    ),
    "mlnx_direct": Ran(
        [f"ebrctl add-port fa:16:3e:5a:00:26 {INSTANCE} fabric1 mlnx_direct eth487ce496-90"],
        ["ebrctl del-port fabric1 fa:16:3e:5a:00:26"],
    ),
}


class Checked(Plugin):
    """Its command has a check."""

    def resources(self, vif: Parsed) -> Sequence[Resource]:
        plug, unplug, check = (("checked", verb, vif.port_id) for verb in VERBS)
        return (Command(plug=plug, unplug=unplug, check=check),)


class Made(Plugin):
    """Its command makes the device, which becomes an OVS port."""

    def resources(self, vif: Parsed) -> Sequence[Resource]:
        name = str(vif.devname)
        return (
            Command(plug=("fp", "add", name), unplug=("fp", "del", name), about=name, makes=True),
            Device(name=name, mtu=1400, up=True),
            OvsPort(name=name, bridge="br-int", external_ids=(("iface-id", vif.port_id),)),
        )


@pytest.fixture
def standins(tmp_path: Path) -> Standins:
    return Standins(tmp_path, *PROGRAMS)


@pytest.fixture
def ports(scratch: ScratchHost, standins: Standins, store: Store) -> Iterator[Ports]:
    """A command may take two seconds."""
    with real_host(scratch, limits=standins.limits(timeout=2)) as host:
        yield _ports(host, store)


def _ports(host: RealHost, store: Store) -> Ports:
    return Ports(host, store, {**all_plugins(), "checked": Checked(), "made": Made()})


@contextlib.contextmanager
def _next_process(
    scratch: ScratchHost, standins: Standins, store: Store
) -> Iterator[tuple[Ports, set[str]]]:
    """With no memory but the store's; and the ports to look at."""
    with real_host(scratch, limits=standins.limits()) as host:
        ports = _ports(host, store)
        yield ports, ports.engine.load()


def _states(told: Sequence[Port]) -> list[str]:
    return [port.state for port in told]


def _looked(ports: Ports, *ids: str) -> list[str]:
    return _states(list(ports.look({*ids}).values()))


def _message(port: Port) -> tuple[str, str]:
    assert port.problem
    return port.problem.code, port.problem.message


@pytest.mark.parametrize("name", RUNS)
def test_command_is_run_once_and_undone_once(
    name: str, ports: Ports, standins: Standins, payload: Load, ovs: PrivateOvs
) -> None:
    """After its device is there, and before it goes."""
    before, vif = everything(ovs), payload(name)
    for expected in (RUNS[name].plug, []):
        assert _states(ports.plug(vif)) == ["ready"]
        assert standins.ran() == expected
    for expected in (RUNS[name].unplug, []):
        assert _states(ports.unplug(vif)) == ["unplugged"]
        assert standins.ran() == expected
    assert everything(ovs) == before


@pytest.mark.parametrize("name", ["midonet", "iovisor", "ib_hostdev"])
def test_restart_runs_nothing_and_forgets_nothing(
    name: str, scratch: ScratchHost, standins: Standins, ports: Ports, store: Store, payload: Load
) -> None:
    ports.plug(payload(name))
    standins.ran()
    with _next_process(scratch, standins, store) as (later, ids):
        later.look(ids, everywhere=True)
        assert _states(later.plug(payload(name))) == ["ready"]
        assert standins.ran() == []
        assert _states(later.unplug(payload(name))) == ["unplugged"]
        assert standins.ran() == RUNS[name].unplug


@pytest.mark.parametrize("name", ["midonet", "ib_hostdev"])
def test_unplug_that_comes_before_the_start_is_carried_out(
    name: str, scratch: ScratchHost, standins: Standins, ports: Ports, store: Store, payload: Load
) -> None:
    ports.plug(payload(name))
    standins.ran()
    ports.wish(UNPLUG, payload(name))
    with _next_process(scratch, standins, store) as (later, ids):
        assert _states(list(later.look(ids, everywhere=True).values())) == ["unplugged"]
        assert standins.ran() == RUNS[name].unplug


@pytest.mark.parametrize("name", ["midonet", "ib_hostdev"])
@pytest.mark.parametrize("verb", [PLUG, UNPLUG])
def test_killed_before_it_is_stored_runs_it_again(
    verb: str,
    name: str,
    scratch: ScratchHost,
    standins: Standins,
    ports: Ports,
    store: Store,
    payload: Load,
) -> None:
    """Nobody knows whether it was done: to be plugged it is run again, to be unplugged undone."""
    ports.engine.look([ports.wish(PLUG, payload(name))])
    wait_for(standins.ran, "a run of the command")
    ports.wish(verb, payload(name))
    with _next_process(scratch, standins, store) as (later, ids):
        (port,) = later.look(ids, everywhere=True).values()
        assert port.state == {PLUG: "ready", UNPLUG: "unplugged"}[verb]
        assert standins.ran() == (RUNS[name].plug if verb == PLUG else RUNS[name].unplug)


def test_killed_while_it_is_undone_undoes_it_again(
    scratch: ScratchHost, standins: Standins, ports: Ports, store: Store, payload: Load
) -> None:
    """Though it was: so the vendor's complaint is believed in the end."""
    ports.plug(payload("midonet"))
    standins.ran()
    ports.engine.look([ports.wish(UNPLUG, payload("midonet"))])
    wait_for(standins.ran, "a run of the command")
    standins.fail("no such port")
    states = []
    with _next_process(scratch, standins, store) as (later, ids):
        for _ in range(5):
            later.look(ids, everywhere=True)
            states += _states(later.stored(payload("midonet")))
        assert states == ["retrying"] * 4 + ["unplugged"]
        assert standins.ran() == RUNS["midonet"].unplug * 5
    assert "tapc45f0df2-15" not in links()


def test_reboot_runs_it_again(
    scratch: ScratchHost, standins: Standins, ports: Ports, tmp_path: Path, payload: Load
) -> None:
    """There is no device by which to see that it is not done any longer."""
    ports.plug(payload("ib_hostdev"))
    standins.ran()
    rebooted = Store(tmp_path / "ports.sqlite", boot="the next one")
    with _next_process(scratch, standins, rebooted) as (later, ids):
        later.look(ids, everywhere=True)
        assert standins.ran() == RUNS["ib_hostdev"].plug
        later.look(ids, everywhere=True)
        assert standins.ran() == []
    rebooted.close()


@pytest.mark.parametrize("fails_first", [False, True])
def test_new_device_is_told_of_anew(
    fails_first: bool, ports: Ports, standins: Standins, payload: Load
) -> None:
    """By both commands, though the first has failed in the round that made the device."""
    vif = payload("iovisor")
    ports.plug(vif)
    ip("link", "del", vif["devname"])
    if fails_first:
        standins.fail("not now")
        assert _looked(ports, IOVISOR) == ["retrying"]
        standins.be_well()
    standins.ran()
    assert _looked(ports, IOVISOR) == ["ready"]
    assert standins.ran() == RUNS["iovisor"].plug


def test_other_arguments_undo_the_one_and_do_the_other(
    ports: Ports, standins: Standins, payload: Load
) -> None:
    vif = payload("ib_hostdev")
    ports.plug(vif)
    standins.ran()
    assert _states(ports.plug({**vif, "address": "fa:16:3e:00:00:99"})) == ["ready"]
    undone, done = standins.ran()
    assert undone == RUNS["ib_hostdev"].unplug[0]
    assert done == RUNS["ib_hostdev"].plug[0].replace(vif["address"], "fa:16:3e:00:00:99")


def test_first_device_stays_until_it_is_undone(
    ports: Ports, standins: Standins, payload: Load
) -> None:
    vif = payload("ivs")
    ports.plug(vif)
    standins.ran()
    assert _states(ports.plug({**vif, "devname": "tapother"})) == ["ready"]
    assert standins.ran() == [*RUNS["ivs"].unplug, "ivs-ctl add-port tapother | tapother"]
    assert vif["devname"] not in links()


def test_failure_is_told_in_the_commands_words_and_tried_again(
    ports: Ports, standins: Standins, payload: Load
) -> None:
    standins.fail("midolman\ndoes not answer")
    (port,) = ports.plug(payload("midonet"))
    assert port.state == "retrying"
    line = f"mm-ctl --bind-port {MIDONET} tapc45f0df2-15"
    words = "exit status 3: midolman does not answer"
    assert _message(port) == ("command_failed", f"{line}: {words}")
    standins.be_well()
    assert _looked(ports, MIDONET) == ["ready"]


def test_failed_unplug_is_told_and_tried_for_ever(
    ports: Ports, standins: Standins, payload: Load
) -> None:
    """And keeps the device that it speaks of."""
    vif = payload("midonet")
    ports.plug(vif)
    standins.fail("midolman does not answer")
    (port,) = ports.unplug(vif)
    line = f"mm-ctl --unbind-port {MIDONET}"
    assert _message(port) == ("command_failed", f"{line}: exit status 3: midolman does not answer")
    for _ in range(6):
        ports.look({MIDONET})
    assert _states(ports.stored(vif)) == ["retrying"]
    assert vif["devname"] in links()
    standins.be_well()
    assert _looked(ports, MIDONET) == ["unplugged"]
    assert vif["devname"] not in links()


def test_unplug_of_what_never_was_plugged_ends(
    ports: Ports, standins: Standins, payload: Load
) -> None:
    standins.fail("no such port")
    ports.plug(payload("midonet"))
    told = [*_states(ports.unplug(payload("midonet")))]
    told += [state for _ in range(4) for state in _looked(ports, MIDONET)]
    assert (told[0], told[-1]) == ("retrying", "unplugged")
    assert standins.ran()[1:] == RUNS["midonet"].unplug * 5


def test_plug_that_never_was_begun_is_not_undone(
    ports: Ports, standins: Standins, payload: Load
) -> None:
    ports.wish(PLUG, payload("midonet"))
    assert _states(ports.unplug(payload("midonet"))) == ["unplugged"]
    assert standins.ran() == []


def test_hanging_command_is_killed_and_holds_up_nobody_else(
    ports: Ports, standins: Standins, payload: Load
) -> None:
    standins.hang()
    slow = ports.wish(PLUG, payload("midonet"))
    ports.engine.look([slow])
    wait_for(standins.children, "a command that hangs")
    standins.be_well()
    assert _states(ports.plug(payload("tap"), payload("ib_hostdev"))) == ["ready", "ready"]
    assert ports.engine.look([slow]).waiting  # it still runs
    (port,) = ports.look({slow}).values()
    assert _message(port)[1].endswith("killed, it did not end in time: nothing was printed")
    assert standins.children() == set()


def test_program_that_is_not_allowed_is_a_clear_error_and_leaves_nothing(
    scratch: ScratchHost, store: Store, payload: Load, ovs: PrivateOvs
) -> None:
    before, vif = everything(ovs), payload("midonet")
    with real_host(scratch) as host:
        ports = _ports(host, store)
        (port,) = ports.plug(vif)
        code, message = _message(port)
        assert (port.state, code) == ("error", "command_not_allowed")
        assert message.endswith("mm-ctl: [commands] allowed does not say where this program is")
        assert everything(ovs) == before
        assert _states(ports.unplug(vif)) == ["unplugged"]


def test_program_that_is_not_there_is_tried_again(
    ports: Ports, standins: Standins, payload: Load
) -> None:
    Path(standins.allowed["mm-ctl"]).unlink()
    (port,) = ports.plug(payload("midonet"))
    assert port.state == "retrying"
    assert _message(port)[1].endswith("mm-ctl: does not start: No such file or directory")


def test_prefix_is_put_before_it(standins: Standins) -> None:
    standins.then('echo "$LENT"')
    programs = Programs(standins.allowed, prefix=("/usr/bin/env", "LENT=a key"))
    assert programs.run(("mm-ctl", "x y")).said == "a key"
    assert standins.ran() == ["mm-ctl x y"]


def test_program_that_prints_much_is_heard_to_its_end(standins: Standins) -> None:
    standins.then("yes 'so much' | head -c 1000000; echo the reason; exit 1")
    ended = Programs(standins.allowed).run(("mm-ctl",))
    assert (ended.status, ended.said[-18:]) == (1, "so much the reason")
    assert len(ended.said) <= 4096


def test_child_that_lives_on_is_not_waited_for(standins: Standins) -> None:
    standins.then('sleep 600 & echo $! >>"$here/children"')
    assert Programs(standins.allowed, timeout=20).run(("mm-ctl",)).well
    (child,) = standins.children()
    os.kill(child, signal.SIGKILL)


def test_two_ports_with_one_command_are_a_conflict(
    ports: Ports, standins: Standins, payload: Load
) -> None:
    vif = payload("ib_hostdev")
    first, second = ports.plug(vif, {**vif, "id": VROUTER})
    assert (first.state, second.state) == ("ready", "error")
    assert _message(second)[0] == "conflict"
    assert len(standins.ran()) == 1


def test_operators_repair_runs_it_again(ports: Ports, standins: Standins, payload: Load) -> None:
    ports.plug(payload("midonet"), payload("ib_hostdev"))
    standins.ran()
    for which, expected in ((MIDONET, ["midonet"]), (None, ["midonet", "ib_hostdev"])):
        ports.engine.doubt(which)
        ports.look({MIDONET, payload("ib_hostdev")["id"]})
        assert sorted(standins.ran()) == sorted(line for n in expected for line in RUNS[n].plug)


def test_burst_runs_some_at_a_time(
    scratch: ScratchHost, standins: Standins, store: Store, payload: Load
) -> None:
    """How many stand-ins are there at once, each says by itself."""
    standins.then(
        'mkdir "$here/$$.on"; ls -d "$here"/*.on | wc -l >>"$here/count"; sleep 0.05;'
        ' rmdir "$here/$$.on"'
    )
    vifs = [new_vif(payload("midonet"), number) for number in range(24)]
    with real_host(scratch, limits=standins.limits(at_once=4)) as host:
        ports = _ports(host, store)
        assert set(_states(ports.plug(*vifs))) == {"ready"}
    counts = [int(n) for n in (standins.directory / "count").read_text().split()]
    assert len(counts) == len(standins.ran()) == 24
    assert 1 < max(counts) <= 4


def test_stop_ends_what_runs(
    scratch: ScratchHost, standins: Standins, store: Store, payload: Load
) -> None:
    standins.hang()
    with real_host(scratch, limits=standins.limits(timeout=600)) as host:
        ports = _ports(host, store)
        ports.engine.look([ports.wish(PLUG, payload("midonet"))])
        wait_for(standins.children, "a command that hangs")
    assert standins.children() == set()


class TestCheck:
    """Of a command with a check its exit status says whether it is done."""

    KEEPS = (
        '[ "$1" = check ] && [ ! -e "$here/bound" ] && exit 1; '
        'case "$1" in plug) touch "$here/bound";; unplug) rm "$here/bound";; esac'
    )

    @pytest.fixture
    def vif(self, payload: Load, standins: Standins) -> Vif:
        standins.then(self.KEEPS)
        return {**payload("tap"), "type": "checked"}

    @pytest.fixture
    def doubting(self, scratch: ScratchHost, standins: Standins, store: Store) -> Iterator[Ports]:
        """An answer counts once."""
        with real_host(scratch, limits=standins.limits(check_lasts=0)) as host:
            yield _ports(host, store)

    def test_what_is_done_already_is_not_run(
        self, ports: Ports, standins: Standins, vif: Vif
    ) -> None:
        (standins.directory / "bound").touch()
        assert _states(ports.plug(vif)) == ["ready"]
        assert standins.ran() == [f"checked check {vif['id']}"]

    def test_answer_counts_for_a_while(self, ports: Ports, standins: Standins, vif: Vif) -> None:
        ports.plug(vif)
        assert standins.ran() == [f"checked {verb} {vif['id']}" for verb in ("check", "plug")]
        for _ in range(3):
            ports.plug(vif)
        assert standins.ran() == []

    def test_what_the_vendor_has_lost_is_run_again(
        self, doubting: Ports, standins: Standins, vif: Vif
    ) -> None:
        doubting.plug(vif)
        (standins.directory / "bound").unlink()
        standins.ran()
        doubting.look({vif["id"]})
        assert (standins.directory / "bound").exists()
        assert f"checked plug {vif['id']}" in standins.ran()

    def test_undone_by_others_is_not_undone_again(
        self, doubting: Ports, standins: Standins, vif: Vif
    ) -> None:
        doubting.plug(vif)
        (standins.directory / "bound").unlink()
        standins.ran()
        assert _states(doubting.unplug(vif)) == ["unplugged"]
        assert {line.split()[1] for line in standins.ran()} == {"check"}


class TestMade:
    """A command that makes its device: before all else of the port, and undone after it."""

    @pytest.fixture
    def vif(self, payload: Load, standins: Standins) -> Vif:
        standins.then(
            'if [ "$1" = add ]; then ip tuntap add dev "$2" mode tap; fi;'
            ' if [ "$1" = del ]; then ip link del dev "$2"; fi'
        )
        return {**payload("tap"), "type": "made"}

    def test_plug_and_unplug(
        self, ports: Ports, standins: Standins, vif: Vif, ovs: PrivateOvs
    ) -> None:
        before = everything(ovs)
        for expected in ([f"fp add {vif['devname']}"], []):
            assert _states(ports.plug(vif)) == ["ready"]
            assert standins.ran() == expected
        assert links()[vif["devname"]]["mtu"] == 1400
        assert vif["devname"] in ovs.vsctl("list-ports", "br-int").split()
        for expected in ([f"fp del {vif['devname']} | {vif['devname']}"], []):
            assert _states(ports.unplug(vif)) == ["unplugged"]
            assert standins.ran() == expected
        assert everything(ovs) == before

    def test_device_that_is_gone_is_made_again(self, ports: Ports, vif: Vif) -> None:
        ports.plug(vif)
        ip("link", "del", vif["devname"])
        assert _looked(ports, vif["id"]) == ["ready"]
        assert links()[vif["devname"]]["mtu"] == 1400

    def test_no_ovs_port_without_the_device(
        self, ports: Ports, standins: Standins, vif: Vif, ovs: PrivateOvs
    ) -> None:
        standins.be_well()
        standins.fail("no licence")
        assert _states(ports.plug(vif)) == ["retrying"]
        assert vif["devname"] not in ovs.vsctl("list-ports", "br-int").split()
