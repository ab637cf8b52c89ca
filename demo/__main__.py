"""``python -m demo``: the whole course, from an empty scratch host to an empty scratch host."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence

from demo import bus, drift, host, look, ports, show, traffic
from demo.bus import Sender, View
from demo.ports import Port
from demo.show import Checks
from vif_agent.testing import netns
from vif_agent.testing.host import ScratchHost

BURST = 100
PATIENCE = 60.0  # seconds for all casts of one kind
A_CALL = 1.0  # second; with oslo.messaging up to 18.1 half of one passes before an answer is seen


def main() -> int:
    arguments = _arguments()
    if os.geteuid() != 0:
        return _sorry("run it as root: it makes a network namespace and network devices")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    checks = Checks()
    try:
        _chosen(arguments)(arguments, checks)
    except KeyboardInterrupt:
        return _sorry("interrupted; all was removed") and 130
    except Exception as error:
        checks.failed.append(f"the demo could not go on: {type(error).__name__}: {error}")
    return _verdict(checks)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/demo",
        description="Plugs and unplugs real ports on a scratch host: a network namespace with an "
        "Open vSwitch of its own. The machine's own interfaces are never touched. Exits 0 only "
        "if all that is claimed held.",
    )
    parser.add_argument(
        "--bus",
        choices=sorted(bus.WAYS),
        default="memory",
        help="the in-process bus kombu+memory:// (default), or a private RabbitMQ",
    )
    parser.add_argument(
        "--neutron",
        action="store_true",
        help="another story: a real Neutron, which binds ports on two hypervisors",
    )
    parser.add_argument(
        "--guests",
        action="store_true",
        help="another story: guests of libvirt's, on two hosts, which ping each other while the "
        "agent is killed, restarted and upgraded, and move",
    )
    parser.add_argument("--all", action="store_true", help="list every port of the burst")
    return parser.parse_args()


def _sorry(text: str) -> int:
    print(f"scripts/demo: {text}", file=sys.stderr)
    return 1


def _verdict(checks: Checks) -> int:
    show.heading("Verdict")
    if not checks.failed:
        print(f"  All {checks.held} checks held.")
        return 0
    print(f"  {checks.held} checks held, {len(checks.failed)} did not:")
    for failed in checks.failed:
        show.note(f"- {failed}")
    show.note("VIF_AGENT_KEEP=1 scripts/demo keeps the scratch host's directory, with all logs.")
    return 1


def _chosen(arguments: argparse.Namespace) -> Callable[[argparse.Namespace, Checks], None]:
    if arguments.guests:
        return _guests_story
    return _neutrons_story if arguments.neutron else _story


def _guests_story(_: argparse.Namespace, checks: Checks) -> None:
    from demo.guests import story  # it takes what scripts/guest-image makes

    story.tell(checks)


def _neutrons_story(_: argparse.Namespace, checks: Checks) -> None:
    from demo.neutron import story  # it takes what scripts/neutron makes

    story.tell(checks)


def _story(arguments: argparse.Namespace, checks: Checks) -> None:
    started = time.monotonic()
    machine = host.MachineLinks()
    netns.isolate_process()
    show.heading("A scratch host")
    with contextlib.ExitStack() as stack:
        scratch = stack.enter_context(ScratchHost(rabbit=arguments.bus == "rabbit"))
        host.add_nic()
        before = scratch.links()
        sender, agent = stack.enter_context(bus.WAYS[arguments.bus](scratch))
        _introduce(scratch, before, time.monotonic() - started)
        checks.that("the agent has no capability at all", host.capabilities(agent))
        shipped = ports.shipped(sender.plugins(), host.makes_vlan_devices())
        burst = ports.burst(BURST)
        views = _plug_shipped(sender, shipped, checks)
        views |= _plug_burst(sender, burst, checks, arguments.all)
        look.while_plugged(scratch, sender, machine, shipped + burst, views, checks)
        drift.repaired(sender, next(p for p in shipped if p.payload == "ovs_hybrid"), checks)
        show.heading("Real frames")
        traffic.all_ways(scratch, burst, checks)
        _unplug(sender, shipped + burst, checks)
        look.after_unplug(scratch, sender, before, checks)
        checks.that("the agent ends with status 0 when asked to", agent.stop())
    checks.that("the scratch host's directory is gone", scratch.directory.exists())


def _introduce(scratch: ScratchHost, links: Collection[str], seconds: float) -> None:
    where = scratch.rabbit.url if scratch.rabbit else "kombu+memory:// (agent and sender share it)"
    show.table(
        ("", ""),
        [
            ("network namespace", f"a new one, with {', '.join(sorted(links))}"),
            ("Open vSwitch", f"private, userspace datapath, {scratch.ovs.connection}"),
            ("bus", where),
            ("agent", f"the real one; ready after {seconds:.1f} s in all"),
        ],
    )
    show.note(f"{host.NIC} is a tap that stands for the NIC of the physical network.")


def _settle(sender: Sender, some: Sequence[Port], generation: int, what: str) -> dict[str, View]:
    progress, views = show.Progress(what, len(some)), {}
    deadline = time.monotonic() + PATIENCE + len(some) * A_CALL
    for done, port in enumerate(some, 1):
        left = max(0.0, deadline - time.monotonic())
        views[port.id] = sender.settled(port, generation, left)
        progress.show(done)
    return views


def _plug_shipped(sender: Sender, shipped: Sequence[Port], checks: Checks) -> dict[str, View]:
    show.heading(f"{len(shipped)} payloads of examples/payloads/")
    show.note(f"Left out, for want of an SR-IOV card: {', '.join(ports.OF_A_CARD)}.")
    views = _settle(sender, shipped, sender.plug(shipped), "settled")
    _port_table(shipped, views)
    print()
    good = [p for p in shipped if not p.refusal]
    bad = [p for p in shipped if p.refusal]
    checks.that(f"{len(good)} are ready", _not_ready(good, views))
    checks.that(
        f"{len(bad)} are refused, each for the right reason: Neutron has not bound the port, a "
        "program that is not allowed, or a device this kernel cannot make",
        [p.payload for p in bad if not p.rightly_refused(views[p.id])],
    )
    return views


def _plug_burst(
    sender: Sender, burst: Sequence[Port], checks: Checks, every: bool
) -> dict[str, View]:
    show.heading(f"A burst of {len(burst)} ports")
    started = time.time()
    generation = sender.plug(burst)
    cast = time.time() - started
    views = _settle(sender, burst, generation, "ready")
    seconds = max(_done_at(views[p.id]) for p in burst) - started
    shown = burst if every else burst[: 2 * len(ports.BURST)]
    _port_table(shown, views)
    if not every:
        print(f"  ... and {len(burst) - len(shown)} more (all of them: --all)")
    counts = Counter(p.payload for p in burst)
    show.note("In all " + ", ".join(f"{n} {kind}" for kind, n in counts.items()) + ".")
    show.note(f"{cast:.2f} s to cast; the last was ready {seconds:.2f} s after the first cast: "
              f"{len(burst) / seconds:.0f} ports/s.")  # fmt: skip
    print()
    checks.that(f"all {len(burst)} are ready", _not_ready(burst, views))
    return views


def _port_table(some: Sequence[Port], views: dict[str, View]) -> None:
    rows = [_row(port, views[port.id]) for port in sorted(some, key=lambda p: bool(p.refusal))]
    show.table(("PORT", "PAYLOAD", "STATE", "MS", "DEVICES, OR ERROR"), rows)


def _row(port: Port, view: View) -> tuple[str, ...]:
    error = view["error"]
    what = f"{error['code']}: {error['message']}" if error else " ".join(view["devices"])
    ms = view.get("elapsed_ms")
    return port.id[:11], port.payload, view["state"], "-" if ms is None else f"{ms:.0f}", what


def _done_at(view: View) -> float:
    text = view.get("done_at")
    return datetime.datetime.fromisoformat(text).timestamp() if text else time.time()


def _not_ready(some: Sequence[Port], views: dict[str, View]) -> list[str]:
    return [
        f"{p.payload} {p.id} {views[p.id]['state']} {views[p.id]['error'] or ''}"
        for p in some
        if views[p.id]["state"] != "ready"
    ]


def _unplug(sender: Sender, some: Sequence[Port], checks: Checks) -> None:
    show.heading(f"Unplug all {len(some)}")
    started = time.time()
    views = _settle(sender, some, sender.unplug(some), "unplugged")
    seconds = max(map(_done_at, views.values())) - started
    show.note(f"The last was gone {seconds:.2f} s after the first cast: "
              f"{len(some) / seconds:.0f} ports/s.")  # fmt: skip
    left = [p.id for p in some if views[p.id]["state"] != "unplugged"]
    checks.that(f"all {len(some)} are unplugged", left)


if __name__ == "__main__":
    sys.exit(main())
