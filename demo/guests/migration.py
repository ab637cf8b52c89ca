"""A guest moves to the other host and back, and somebody asks it all the while."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from demo import show
from demo.guests import pings
from demo.guests.guest import Guest
from demo.guests.host import Host
from demo.guests.stage import Stage, wait
from demo.guests.vifs import Nic

MOVES = 2  # there and back
STOP = "QEMU's stop"  # of the guest, as QEMU counts it
_AFTERWARDS = 1.0  # second
Gaps = dict[str, list[float]]
Plug = Callable[[Host, Sequence[Nic]], None]


def moves(there: Stage, guests: Sequence[Guest], plug: Plug, unplug: Plug) -> Gaps:
    """The longest silence of each NIC of the last at each move, by kind."""
    mover = guests[-1]
    gaps: Gaps = {STOP: [], **{nic.kind.name: [] for nic in mover.nics}}
    source, target = there.hosts
    for _ in range(MOVES):
        target.make_taps(mover.nics)
        plug(target, mover.nics)
        _move(there, mover, source, target, gaps)
        source.remove_taps(mover.nics)
        unplug(source, mover.nics)
        source, target = target, source
    pings.go_on(guests, "after the migrations")
    return gaps


def _move(there: Stage, guest: Guest, source: Host, target: Host, gaps: Gaps) -> None:
    addresses = {nic.kind.name: nic.address for nic in guest.nics}
    with there.prober.asking(addresses.values()) as asking:
        wait(asking.answers, f"answers of {guest.name} on {source.name}")
        started = time.monotonic()
        source.libvirt.virsh("migrate", "--live", guest.name, target.libvirt.uri,
                             f"tcp://{target.address}")  # fmt: skip
        seconds = time.monotonic() - started
        wait(asking.answers, f"answers of {guest.name} on {target.name}")
        time.sleep(_AFTERWARDS)
    gaps[STOP].append(_stop(guest, target))
    for name, address in addresses.items():
        gaps[name].append(asking.longest_gap(address))
    show.note(f"{guest.name}: {source.name} to {target.name}, {seconds:.1f} s in all.")


def _stop(guest: Guest, target: Host) -> float:
    said = target.libvirt.virsh("domjobinfo", "--completed", guest.name)
    (line,) = [line for line in said.splitlines() if line.startswith("Total downtime:")]
    number, unit = line.split()[2:]
    return float(number) / {"ms": 1000, "s": 1}[unit]


def of(gaps: Gaps, name: str) -> str:
    """As a table has it; the longest last."""
    found = gaps.get(name)
    if not found:
        return "-"
    each = " ".join(f"{seconds * 1000:.0f}" for seconds in found)
    return f"{each}: {max(found) * 1000:.0f}"
