"""Ports that a vendor's command tells somebody of, on the real host: run once, undone once."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.casting import wait_for
from tests.support.real_host import Ports, Vif, everything, ip, links, new_vif, real_host
from tests.support.standins import Standins
from tests.support.vendors import IOVISOR, MIDONET, RUNS, VROUTER
from vif_agent.errors import CommandNotAllowed
from vif_agent.host.commands import Commands, Limits
from vif_agent.host.programs import Ended, Programs
from vif_agent.plan.steps import RUN, Step
from vif_agent.ports.port import PLUG, UNPLUG, Port
from vif_agent.ports.store import Store
from vif_agent.resources import LINK, Command, Key
from vif_agent.testing.host import ScratchHost
from vif_agent.testing.ovs import PrivateOvs

Load = Callable[[str], Vif]


@pytest.fixture
def ports(scratch: ScratchHost, standins: Standins, store: Store) -> Iterator[Ports]:
    with real_host(scratch, limits=standins.limits()) as host:
        yield Ports(host, store)


@contextlib.contextmanager
def _next_process(
    scratch: ScratchHost, standins: Standins, store: Store
) -> Iterator[tuple[Ports, set[str]]]:
    """With no memory but the store's; and the ports to look at."""
    with real_host(scratch, limits=standins.limits()) as host:
        ports = Ports(host, store)
        yield ports, ports.engine.load()


def test_failure_of_a_plug_is_no_news_to_its_unplug() -> None:
    """It came too late to be told, for the unplug had come meanwhile."""
    ran: list[Sequence[str]] = []

    def fails(vector: Sequence[str], until: Callable[[], float]) -> Ended:
        ran.append(vector)
        raise CommandNotAllowed("not allowed")

    commands = Commands(Limits(), lambda _: None, fails, lambda work: work())
    plug = Command(plug=("mm-ctl", "--bind"), unplug=("mm-ctl", "--unbind"))
    undo = plug.restored()
    assert undo
    assert commands.apply([Step(RUN, plug, "port", ("port",))]) == {}
    commands.force_recheck([plug.key])
    assert commands.apply([Step(RUN, undo, "port", ("port",))]) == {}
    assert ran == [plug.plug, plug.unplug]
    assert getattr(commands.ask([undo])[plug.key].resource, "done", None) is False


def _states(reported: Sequence[Port]) -> list[str]:
    return [port.state for port in reported]


def _looked(ports: Ports, *ids: str) -> list[str]:
    return _states(list(ports.reconcile({*ids}).values()))


def _message(port: Port) -> tuple[str, str]:
    assert port.problem
    return port.problem.code, port.problem.message


@pytest.mark.parametrize("name", ["midonet", "iovisor", "ib_hostdev"])
def test_restart_runs_nothing_and_forgets_nothing(
    name: str, scratch: ScratchHost, standins: Standins, ports: Ports, store: Store, payload: Load
) -> None:
    ports.plug(payload(name))
    standins.ran()
    with _next_process(scratch, standins, store) as (later, ids):
        later.reconcile(ids, everywhere=True)
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
    ports.request(UNPLUG, payload(name))
    with _next_process(scratch, standins, store) as (later, ids):
        assert _states(list(later.reconcile(ids, everywhere=True).values())) == ["unplugged"]
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
    ports.engine.reconcile([ports.request(PLUG, payload(name))])
    wait_for(standins.ran, "a run of the command")
    ports.request(verb, payload(name))
    with _next_process(scratch, standins, store) as (later, ids):
        (port,) = later.reconcile(ids, everywhere=True).values()
        assert port.state == {PLUG: "ready", UNPLUG: "unplugged"}[verb]
        assert standins.ran() == (RUNS[name].plug if verb == PLUG else RUNS[name].unplug)


def test_killed_while_it_is_undone_undoes_it_again(
    scratch: ScratchHost, standins: Standins, ports: Ports, store: Store, payload: Load
) -> None:
    """Though it was: so the vendor's complaint is believed in the end."""
    ports.plug(payload("midonet"))
    standins.ran()
    ports.engine.reconcile([ports.request(UNPLUG, payload("midonet"))])
    wait_for(standins.ran, "a run of the command")
    standins.fail("no such port")
    states = []
    with _next_process(scratch, standins, store) as (later, ids):
        for _ in range(5):
            later.reconcile(ids, everywhere=True)
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
        later.reconcile(ids, everywhere=True)
        assert standins.ran() == RUNS["ib_hostdev"].plug
        later.reconcile(ids, everywhere=True)
        assert standins.ran() == []
    rebooted.close()


@pytest.mark.parametrize("fails_first", [False, True])
def test_new_device_is_told_of_anew(
    fails_first: bool, ports: Ports, standins: Standins, payload: Load
) -> None:
    """By both commands, though the first has failed in the reconcile that made the device."""
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


def test_failure_that_is_stored_is_no_success(
    scratch: ScratchHost, standins: Standins, ports: Ports, store: Store, payload: Load
) -> None:
    standins.fail("not now")
    assert _states(ports.plug(payload("midonet"))) == ["retrying"]
    standins.be_well()
    standins.ran()
    with _next_process(scratch, standins, store) as (later, ids):
        assert _states(list(later.reconcile(ids, everywhere=True).values())) == ["ready"]
        assert standins.ran() == RUNS["midonet"].plug


def test_first_failure_of_a_port_ends_its_run(
    ports: Ports, standins: Standins, payload: Load
) -> None:
    standins.fail("not now")
    ports.plug(payload("iovisor"))
    assert standins.ran() == RUNS["iovisor"].plug[:1]


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
        ports.reconcile({MIDONET})
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
    reported = [*_states(ports.unplug(payload("midonet")))]
    reported += [state for _ in range(4) for state in _looked(ports, MIDONET)]
    assert (reported[0], reported[-1]) == ("retrying", "unplugged")
    assert standins.ran()[1:] == RUNS["midonet"].unplug * 5


def test_plug_that_never_was_begun_is_not_undone(
    ports: Ports, standins: Standins, payload: Load
) -> None:
    ports.request(PLUG, payload("midonet"))
    assert _states(ports.unplug(payload("midonet"))) == ["unplugged"]
    assert standins.ran() == []


def test_hanging_command_is_killed_and_holds_up_nobody_else(
    scratch: ScratchHost, standins: Standins, store: Store, payload: Load
) -> None:
    """The others have its eight seconds to be plugged."""
    standins.hang()
    with real_host(scratch, limits=standins.limits(timeout=8)) as host:
        ports = Ports(host, store)
        slow = ports.request(PLUG, payload("midonet"))
        ports.engine.reconcile([slow])
        wait_for(standins.children, "a command that hangs")
        standins.be_well()
        assert _states(ports.plug(payload("tap"), payload("ib_hostdev"))) == ["ready", "ready"]
        assert ports.engine.reconcile([slow]).waiting  # it still runs
        (port,) = ports.reconcile({slow}).values()
        assert _message(port)[1].endswith("killed, it did not end in time: nothing was printed")
        wait_for(lambda: not standins.children(), "the end of what it has started")


def test_program_that_is_not_allowed_is_a_clear_error_and_leaves_nothing(
    scratch: ScratchHost, store: Store, payload: Load, ovs: PrivateOvs
) -> None:
    before, vif = everything(ovs), payload("midonet")
    with real_host(scratch) as host:
        ports = Ports(host, store)
        (port,) = ports.plug(vif)
        code, message = _message(port)
        assert (port.state, code) == ("error", "command_not_allowed")
        assert message.endswith("mm-ctl: [commands] allowed does not say where this program is")
        assert everything(ovs) == before
        gone = {Key(LINK, vif["devname"])}
        assert ports.engine.records.ports_of(gone) == set(), (
            "its tap's end would bring it back for ever"
        )
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
    assert programs.run(("mm-ctl", "x y")).printed == "a key"
    assert standins.ran() == ["mm-ctl x y"]


def test_program_that_prints_much_is_heard_to_its_end(standins: Standins) -> None:
    standins.then("yes 'so much' | head -c 1000000; echo the reason; exit 1")
    ended = Programs(standins.allowed).run(("mm-ctl",))
    assert (ended.status, ended.printed[-18:]) == (1, "so much the reason")
    assert len(ended.printed) <= 4096


def test_what_is_printed_controls_no_terminal(standins: Standins) -> None:
    standins.then(r"printf '\033[2J\033]0;owned\007 line\r\n\302\233x\000 \342\200\256txt'; exit 1")
    ended = Programs(standins.allowed).run(("mm-ctl",))
    assert ended.printed.isprintable()
    assert ended.printed.startswith(r"\x1b[2J\x1b]0;owned\x07 line \x9bx\x00 \u202etxt")


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
        ports.engine.force_recheck(which)
        ports.reconcile({MIDONET, payload("ib_hostdev")["id"]})
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
        ports = Ports(host, store)
        assert set(_states(ports.plug(*vifs))) == {"ready"}
    counts = [int(n) for n in (standins.directory / "count").read_text().split()]
    assert len(counts) == len(standins.ran()) == 24
    assert 1 < max(counts) <= 4


def test_stop_ends_what_runs(
    scratch: ScratchHost, standins: Standins, store: Store, payload: Load
) -> None:
    standins.hang()
    with real_host(scratch, limits=standins.limits(timeout=600)) as host:
        ports = Ports(host, store)
        ports.engine.reconcile([ports.request(PLUG, payload("midonet"))])
        wait_for(standins.children, "a command that hangs")
    wait_for(lambda: not standins.children(), "its end")
