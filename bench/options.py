"""What can be chosen, on the command line of `scripts/bench`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from bench.cases import CASES
from bench.table import FLOOR, THEIRS
from bench.tree import HERE, OURS

REPAIR = "repair"
DROPIN = "os_vif.plug"  # os-vif's own plugin and ours in its place
DRAIN, GROWTH, MEMORY, STATUS, WAITERS = "drain", "growth", "memory", "status", "waiters"
GUARDS = "guards"
SEEN = "seen"
NEUTRON = "neutron"
ALONE = {
    DRAIN: "casts wait in the queue, the agent starts; beside the tools",
    GROWTH: "a host full of ports: what one more costs, memory, a link's event, the start",
    MEMORY: "memory while very many ports come by one full set",
    STATUS: "`status` with very many ports that were unplugged",
    WAITERS: "plugs beside very many senders who wait for other ports",
    GUARDS: "guards against spoofing: bursts beside none, batches, frames, flushes",
    SEEN: "what metrics and history cost a burst",
    REPAIR: "from a deletion by hand to its repair",
    DROPIN: "one os_vif.plug, by os-vif's own plugin and by ours in its place",
}
BESIDE = "beside"


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="vif-agent, os-vif and the floor, side by side in one namespace.",
        epilog="Cases of vif-agent alone, over RabbitMQ: "
        + "; ".join(f"{name}: {what}" for name, what in ALONE.items())
        + f". {NEUTRON}, only where it is asked for: POST to ACTIVE, and what it costs Neutron, "
        "beside ML2/OVS.",
    )
    _add_choices(parser)
    _add_counts(parser)
    args = parser.parse_args(words)
    if args.beside is None:
        args.contenders = [who for who in args.contenders if who != BESIDE]
    return args


def _add_choices(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    cases = [*CASES, *ALONE]
    add("--cases", nargs="+", choices=[*cases, NEUTRON], default=cases,
        help=f"(default: all but {NEUTRON})")  # fmt: skip
    names = (OURS, BESIDE, THEIRS, FLOOR)
    add("--contenders", nargs="+", choices=names, default=list(names))
    add("--beside", type=Path, metavar="TREE", help="another checkout with environments, too")
    add("--bus", choices=("rabbit", "memory"), default="rabbit", help="how vif-agent is asked")
    add("--privsep", action="store_true", help="os-vif through its privsep daemon, as nova has it")
    add("--os-vif-env", type=Path, default=HERE.path / ".venv-bench", help="os-vif's environment")
    add("--json", type=Path, metavar="FILE", help="write everything measured there too")
    add("--profile", action="store_true", help="where the agent's CPU goes in a burst; no rates")


def _add_counts(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("-n", "--ports", type=int, default=200, help="ports in a burst (default 200)")
    add("--lone", type=int, default=50, help="ports plugged one by one (default 50)")
    add("--repeat", type=int, default=1, help="runs; each figure is the median of them")
    add("--repeat-alone", type=int, default=1, help="the same, of the cases of vif-agent alone")
    add("--repair-ports", type=int, default=500, help="ports while it is repaired (default 500)")
    add("--repair-times", type=int, default=160, help="deletions to repair (default 160)")
    add("--drain-tap", type=int, default=1000, help="casts that wait, direct with tap (1000)")
    add("--drain-hybrid", type=int, default=400, help="casts that wait, hybrid (default 400)")
    add("--crowd", type=int, default=2000, help="ports of `growth`, `seen` (2000)")
    add("--guard-turns", type=int, default=4, help="agents with and without guards (default 4)")
    add("--guard-flushes", type=int, default=100, help="of nftables by hand (default 100)")
    add("--full-set", type=int, default=10000, help="ports of `memory` (default 10000)")
    add("--unplugged", type=int, default=17000, help="ports of `status` (default 17000)")
    add("--profile-on", type=int, default=0, help="ports there before the profiled burst (0)")
    add("--seen-turns", type=int, default=6, help="agents of `seen`, of either kind (default 6)")
    add("--neutron-ports", nargs="+", type=int, default=[1, 100, 1000], help="bursts of `neutron`")
    add("--neutron-turns", type=int, default=1, help="of either driver in `neutron` (default 1)")
    add("--waiters", type=int, default=1000, help="senders of `waiters` (default 1000)")
