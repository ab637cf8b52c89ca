"""`scripts/bench`: vif-agent, os-vif and the floor, side by side in one namespace."""

from __future__ import annotations

import os
import signal
import sys
import warnings

from bench.options import NEUTRON, arguments
from bench.table import THEIRS
from bench.tree import OURS

BUSY = 0.5


def main() -> None:
    """Ends with 1 if a case failed, or vif-agent left anything wrong, however fast it was."""
    args = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what we started is ended
    warnings.simplefilter("ignore")  # oslo's imports warn that eventlet is deprecated
    from bench import report, rooms
    from bench.everything import Bench, trees
    from bench.osvif import environment
    from bench.place import place

    if (load := os.getloadavg()[0]) > BUSY:
        print(f"The machine is busy (load {load}): expect poorer figures.", file=sys.stderr)
    if THEIRS in args.contenders and not args.profile and args.cases != [NEUTRON]:
        environment(args.os_vif_env)
    with place(rabbit=bool(trees(args)) and args.bus == "rabbit") as here:
        if args.profile:
            print(rooms.profiles(here, list(trees(args).values()), args))
            return
        results = Bench(args, here).run()
    report.report(args, results)
    ours = [run[OURS] for several in results.runs.values() for run in several if OURS in run]
    sys.exit(bool(results.failed) or any(figures.wrong for figures in ours))


if __name__ == "__main__":
    main()
