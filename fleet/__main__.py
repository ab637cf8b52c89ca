"""``python -m fleet``: the day, then the audit and the tables."""

from __future__ import annotations

import argparse
import sys
import time

from demo import show, tool
from fleet import audit
from fleet.day import PARTS, Day
from fleet.region import QUEUES, Choice, Region
from vif_agent.testing import rabbit


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/fleet",
        description="So many real agents, each on a host in memory, at one real RabbitMQ, through "
        "a region's day: all start at once, guests boot, steady load, nodes fail, full sets, a "
        "rolling restart, the broker restarts. Exits 0 only if no cast was lost.",
    )
    add = parser.add_argument
    add("-n", "--hosts", type=int, default=200, help="how many agents (default 200)")
    add("--minutes", type=float, default=1, help="of steady load (default 1)")
    add("--rate", type=float, default=0, help="casts a second then (default: one each 5 s a host)")
    add("--queues", choices=QUEUES, default="classic", help="durable ones, or quorum queues")
    add("--neutron", action="store_true", help="the agents report to a stand-in of Neutron's")
    add("--in-step", action="store_true", help="all agents pause alike at a broker, to compare")
    add("--parts", nargs="+", choices=PARTS, default=PARTS, help="of the day, boot always")
    add("--set", nargs="+", default=[], metavar="KEY=VALUE", help="of rabbitmq.conf")
    add("--seed", type=int, default=time.time_ns() % 1_000_000, help="of all that is random")
    return parser.parse_args()


def main() -> int:
    args = arguments()
    tool.leave_the_machine("scripts/fleet")
    tool.quiet_libraries()
    release = ".".join(map(str, rabbit.version()))
    show.heading(f"Fleet: {args.hosts} hosts, {args.queues} queues, RabbitMQ {release}, "
                 f"--seed {args.seed}")  # fmt: skip
    broker = dict(setting.split("=", 1) for setting in args.set)
    choice = Choice(args.hosts, args.seed, args.queues, args.neutron, args.in_step, broker)
    with Region(choice) as region:
        day = Day(region, args.seed, args.minutes * 60, args.rate or args.hosts / 5)
        day.run({"boot", *args.parts})
        wrong = [*audit.lost(region), *day.unsettled, *region.senders.broken,
                 *region.agents.unwell()]  # fmt: skip
        day.figures.show()
        day.figures.show_memory()
        senders = region.senders
        show.heading("What it came to")
        show.table(("", ""), [
            ("casts", f"{senders.sent}, of them sent again for want of an answer {senders.resent}"),
            ("lost", str(len(wrong))),
        ])  # fmt: skip
        for line in wrong[:20]:
            show.note(f"- {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
