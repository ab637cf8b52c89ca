"""``python -m fuzz``: lanes side by side in memory, then a sample on a real host; a table."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
import warnings
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from demo import show, tool
from fuzz import lane, real
from fuzz.lane import Lane
from fuzz.witness import LONGEST, Witness

CASTS, CALLS = 900_000, 100_000
LANES = 8  # whatever the number of jobs, so that a seed always means the same
REAL = 300  # one of so many casts


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/fuzz",
        description="Valid casts and calls, changed in one to three places, through intake, store, "
        "report, engine and calls on a host in memory; and some that are not refused on a real "
        "kernel and Open vSwitch, in a namespace. Exits 0 only if nothing crashed, nothing of "
        f"others was changed, no line of the log had more than {LONGEST} bytes, and memory kept "
        "its bound.",
    )
    add = parser.add_argument
    add("--count", type=int, default=CASTS + CALLS, help="in all, a tenth of them calls")
    add("--seed", type=int, default=10, help="of all that is random (default 10)")
    add("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    add("--real", type=int, help=f"casts on a real host (default: one of {REAL}); 0: none")
    return parser.parse_args()


def run_lanes(args: argparse.Namespace) -> list[Lane]:
    casts, calls = args.count * 9 // 10 // LANES, args.count // 10 // LANES
    seeds = [f"{args.seed} lane {number}" for number in range(LANES)]
    with ProcessPoolExecutor(args.jobs, get_context("spawn"), max_tasks_per_child=1) as pool:
        running = [pool.submit(lane.run, seed, casts, calls) for seed in seeds]
        try:
            return [_told(number, each.result()) for number, each in enumerate(running, start=1)]
        except BaseException:  # SIGTERM, Ctrl-C: nobody wants the rest
            for process in pool._processes.values():
                process.kill()
            raise


def _told(number: int, done: Lane) -> Lane:
    print(f"  lane {number} of {LANES}: {done.seconds:.0f} s", flush=True)
    return done


def run_real(args: argparse.Namespace) -> tuple[Counter[str], Witness]:
    count = args.count * 9 // 10 // REAL if args.real is None else args.real
    with Witness() as witness:
        if not count:
            return Counter(), witness
        try:
            return real.run(args.seed, count, witness), witness
        except Exception as error:
            logging.getLogger("fuzz").exception("The real host: %s", type(error).__name__)
            return Counter(), witness


def main() -> int:
    args = arguments()
    tool.leave_the_machine("scripts/fuzz")
    warnings.simplefilter("ignore")
    show.heading(f"Fuzz: {args.count} casts and calls, --seed {args.seed}, {args.jobs} processes")
    begin = time.monotonic()
    lanes = run_lanes(args)
    tally, witness = run_real(args)
    crashes = [crash for each in lanes for crash in each.crashes] + witness.crashes
    _print(lanes, tally, witness, time.monotonic() - begin)
    for crash in crashes[:20]:
        print(f"\nWRONG: {crash}")
    print(f"\n{'nothing went wrong' if not crashes else f'{len(crashes)} things went wrong'}")
    return int(bool(crashes))


def _print(lanes: list[Lane], tally: Counter[str], witness: Witness, seconds: float) -> None:
    total = sum((each.tally for each in lanes), Counter[str]())
    lines = sum((each.lines for each in lanes), Counter[str](witness.lines))
    show.heading("What it came to")
    rows = [
        ("casts, calls", f"{total['casts']}, {total['calls answered'] + total['calls refused']}"),
        ("casts refused", _listed(total, "refused ")),
        ("calls", _listed(total, "calls ")),
        ("ports came to be", _listed(total, "ports ")),
        ("reconciles", str(total["reconciles"])),
        ("notifications", _listed(total, "told ")),
        ("log", f"{lines.total()} lines, {sum(e.log_bytes for e in lanes) + witness.bytes >> 20} MB"
                f", the longest {max(witness.longest, *(e.longest for e in lanes))} bytes"),
        ("memory", f"at most {max(each.most_memory for each in lanes)} MB a process"),
        ("on the real host", f"{tally['casts']} casts, {tally['reconciles']} reconciles; "
                             f"ports came to be {_listed(tally, 'ports ')}"),
        ("minutes", f"{seconds / 60:.1f}"),
    ]  # fmt: skip
    for name, text in rows:
        print(f"  {name:<18} {text}")


def _listed(tally: Counter[str], start: str) -> str:
    found = {name: count for name, count in tally.items() if name.startswith(start)}
    listed = ", ".join(f"{name.removeprefix(start)} {n}" for name, n in sorted(found.items()))
    return listed or "none"


if __name__ == "__main__":
    sys.exit(main())
