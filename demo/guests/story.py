"""The course: two guests, pings, an agent that is ill-treated, live migrations, the end."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from functools import partial

from demo import show
from demo.guests import migration, osvif, pings, upheaval
from demo.guests.guest import Guest, interface
from demo.guests.host import Host
from demo.guests.migration import Gaps, Plug
from demo.guests.stage import Stage, stage, wait
from demo.guests.vifs import KINDS, nics
from demo.show import Checks
from vif_agent.testing import netns, rabbit


def tell(checks: Checks) -> None:
    started = time.monotonic()
    netns.isolate_process()
    with stage() as there:
        before = [set(host.links()) for host in there.hosts]
        _introduce(there, time.monotonic() - started)
        guests = there.guests()
        _boot(there, guests, checks)
        upheaval.story(there, guests, checks)
        gaps = _moves(there, guests, checks)
        _end(there, guests, before, checks)
        _compare(there, gaps, before, checks)
    show.note(f"{time.monotonic() - started:.0f} s in all.")


def _introduce(there: Stage, seconds: float) -> None:
    show.heading("Two hosts")
    versions = there.hosts[0].libvirt.versions()
    ovs = there.hosts[0].scratch.ovs.appctl("ovs-vswitchd", "version").splitlines()[0].split()[-1]
    show.table(
        ("", ""),
        [
            ("hosts", "compute-1 and compute-2: a network namespace each, with the real agent; "
             "eth1 is the physical network of the linux bridges, eth2 that of Open vSwitch"),
            ("libvirt", f"{versions['Running against daemon']}, private, one on each host"),
            ("QEMU", f"{versions['Running hypervisor']}, which emulates: no KVM is used"),
            ("Open vSwitch", f"{ovs}, private, datapath in userspace"),
            ("bus", f"a private RabbitMQ {'.'.join(map(str, rabbit.version()))} for both"),
            ("kernel", os.uname().release),
            ("ready", f"after {seconds:.0f} s in all"),
        ],
    )  # fmt: skip


def _boot(there: Stage, guests: Sequence[Guest], checks: Checks) -> None:
    show.heading("Two guests on compute-1, each with a NIC of each kind")
    host = there.hosts[0]
    rows = [(kind.name, kind.tap, kind.switch, _words(kind.name)) for kind in KINDS]
    show.table(("NIC", "ITS TAP BY", "WHICH GOES TO", "INTERFACE, AS NOVA WRITES IT"), rows)
    print()
    for guest in guests:
        host.make_taps(guest.nics)
        host.plug(guest.nics)
    started = time.monotonic()
    for guest in guests:
        host.start(guest)
    try:
        wait(lambda: all(map(_pings, guests)), "ping of each NIC to the other guest's")
    except TimeoutError:
        print(*(guest.said().decode(errors="replace")[-3000:] for guest in guests), sep="\n--\n")
        raise
    show.note(f"All {2 * len(KINDS)} NICs ping the other guest's "
              f"{time.monotonic() - started:.1f} s after the start.")  # fmt: skip
    show.output("virsh list", host.libvirt.virsh("list"))
    show.output("virsh domiflist guest-2", host.libvirt.virsh("domiflist", "guest-2"))
    for guest in guests:
        lines = guest.said().decode(errors="replace").splitlines()
        show.output(f"console of {guest.name}, of {guest.cpus} CPU",
                    "\n".join(_first_answers(lines)))  # fmt: skip
    print()
    checks.that("the guests ping each other through all of these", False)


_SHOWN = (
    ("source", "bridge"), ("virtualport", "type"), ("target", "managed"), ("driver", "queues"),
)  # fmt: skip


def _words(name: str) -> str:
    """The interface of guest-2, in short."""
    nic = next(nic for nic in nics(2, 2) if nic.kind.name == name)
    root = interface(nic)
    words = [f"type='{root.get('type')}'"]
    for tag, name in _SHOWN:
        element = root.find(tag)
        if element is not None and element.get(name):
            words.append(f"{tag} {name}='{element.get(name)}'")
    return ", ".join(words)


def _pings(guest: Guest) -> bool:
    return all(answered for answered, _ in guest.answered().values())


def _first_answers(lines: Sequence[str]) -> list[str]:
    """What it says of its NICs, and the first answer of each peer."""
    return [line for line in lines if line.startswith("guest: ") or "seq=0 " in line]


def _moves(there: Stage, guests: Sequence[Guest], checks: Checks) -> Gaps:
    show.heading("Live migration")
    gaps = migration.moves(there, guests, Host.plug, Host.unplug)
    print()
    checks.that("guest-2 has moved there and back, and both guests ping each other through all",
                _restarted(guests))  # fmt: skip
    _show_lost(guests)
    return gaps


def _show_lost(guests: Sequence[Guest]) -> None:
    counted = pings.count(guests)
    lost, answered = sum(pings.lost(counted).values()), pings.answered(counted)
    show.note(f"Of the guests' own pings, one in 0.2 s for each NIC, {lost} were lost while one "
              f"moved; {answered} were answered in all.")  # fmt: skip


def _restarted(guests: Sequence[Guest]) -> list[str]:
    return [guest.name for guest in guests if guest.boots() != 1]


def _end(there: Stage, guests: Sequence[Guest], before: list[set[str]], checks: Checks) -> None:
    show.heading("The guests end")
    host = there.hosts[0]
    for guest in guests:
        host.end(guest)
        host.remove_taps(guest.nics)
        host.unplug(guest.nics)
    _nothing_left(there, before, checks)


def _nothing_left(there: Stage, before: list[set[str]], checks: Checks) -> None:
    for host, links in zip(there.hosts, before, strict=True):
        wait(partial(_has, host, links), f"links of the beginning on {host.name}")
        ports = host.scratch.ovs.vsctl("list-ports", "br-int").split()
        checks.that(f"{host.name} has the links of the beginning, and br-int its uplink alone",
                    set(host.links()) ^ links or ports != ["eth2"])  # fmt: skip


def _has(host: Host, links: set[str]) -> bool:
    return set(host.links()) == links


def _compare(there: Stage, ours: Gaps, before: list[set[str]], checks: Checks) -> None:
    show.heading("The same with os-vif in place of the agent")
    show.note("Both with the NICs that nova gives to os-vif: more NICs, a slower guest.")
    fewer = _turn(there, Host.plug, Host.unplug, checks)
    _nothing_left(there, before, checks)
    for host in there.hosts:
        host.stop_agent()
    with osvif.on(there.hosts) as contender:
        theirs = _turn(there, contender.plug, contender.unplug, checks)
    _nothing_left(there, before, checks)
    show.note("")
    show.note("The longest time without an answer, in ms, at each of both migrations, and of all; "
              "and how long QEMU says it had stopped the guest. A ping every 10 ms.")  # fmt: skip
    names = [migration.STOP, *(kind.name for kind in KINDS)]
    rows = [(name, *(migration.of(gaps, name) for gaps in (ours, fewer, theirs))) for name in names]
    show.table(("NIC", "THE AGENT, ALL NICS", "THE AGENT, FOUR", "OS-VIF, FOUR"), rows)
    print()


def _turn(there: Stage, plug: Plug, unplug: Plug, checks: Checks) -> Gaps:
    host, guests = there.hosts[0], there.guests(osvif.plugs)
    for guest in guests:
        guest.console.unlink()
        plug(host, guest.nics)
        host.start(guest)
    wait(lambda: all(map(_pings, guests)), "ping of each NIC to the other guest's")
    gaps = migration.moves(there, guests, plug, unplug)
    print()
    checks.that("guest-2 has moved there and back", _restarted(guests))
    _show_lost(guests)
    for guest in guests:
        host.end(guest)
        unplug(host, guest.nics)
    return gaps
