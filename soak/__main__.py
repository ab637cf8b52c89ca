"""``python -m soak``: warm up, load with faults, calm load on one process, unplug all."""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
import time
from collections.abc import Iterator

from oslo_config import cfg

from demo import show, tool
from soak import memory
from soak.audit import Auditor
from soak.faults import Faults
from soak.load import Load
from soak.ports import PortRecords
from soak.tally import Reporter, Tally, print_table
from tests.support.casting import Options, Site
from vif_agent.testing.host import ScratchHost

AUDIT_SECONDS = 60.0
CHECK_SECONDS = 10  # the agent's look at the whole host; in production every five minutes
_OPTIONS: Options = {
    "oslo_messaging_rabbit": {"amqp_durable_queues": "true"},
    "vif_agent": {"check_interval": CHECK_SECONDS},
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/soak",
        description="Mixed load on the real daemon, on a scratch host with a private Open vSwitch "
        "and RabbitMQ: half of the time with faults, then, on one agent process, without. Exits 0 "
        "only if nothing was lost and nothing leaked.",
    )
    add = parser.add_argument
    add("--minutes", type=float, default=10, help="in all (default 10)")
    add("--ports", type=int, default=100, help="how many there can be (default 100)")
    add("--seed", type=int, default=time.time_ns() % 1_000_000, help="of all that is random")
    add("--calm", action="store_true", help="no faults at all")
    return parser.parse_args()


class Soak:
    def __init__(self, args: argparse.Namespace, site: Site) -> None:
        self._site, self.tally, self._records = site, Tally(), PortRecords(args.ports)
        dice = {who: random.Random(f"{args.seed} {who}") for who in ("load", "faults")}
        self._load = Load(site, self._records, self.tally, dice["load"])
        self._faults = Faults(site, self.tally, dice["faults"])
        self._auditor = Auditor(site, self._records)
        self._seconds, self._calm = args.minutes * 60, args.calm
        self._audit_seconds = min(AUDIT_SECONDS, self._seconds / 6)

    def run(self) -> None:
        """Memory is sampled in the calm part only, where the agent is one and the same process."""
        self._load.plug_all()
        self._audit()
        if not self._calm:
            self._with_faults()
        self.tally.samples.clear()
        self._under_load(self._seconds if self._calm else self._seconds / 2)
        self._load.unplug_all()
        self._audit()

    def _with_faults(self) -> None:
        self._faults.start()
        try:
            self._under_load(self._seconds / 2)
        finally:  # nothing may be started again once all is being ended
            self._faults.stop()
        self._audit()
        print("  from here on no more faults", flush=True)

    def _under_load(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._load.run(time.monotonic() + min(left, self._audit_seconds))
            self._audit()
            self.tally.samples.append(memory.sample(self._site, self.tally.minutes))

    def _audit(self) -> None:
        """The load waits, and nothing is broken meanwhile."""
        with self._faults.peace:
            if not self._site.daemon.alive():
                raise RuntimeError("the agent has ended by itself")
            if self._faults.broker_kills:
                self._send_again()
            finding = self._auditor.look()
            if finding:
                print(f"  lost {finding.lost}, leaked {finding.leaked}", flush=True)
            self.tally.audits += 1
            self.tally.lost += finding.lost
            self.tally.leaked += finding.leaked

    def _send_again(self) -> None:
        """A cast that no broker has confirmed may be lost: the sender asks again for what it
        wants."""
        self._faults.broker_kills = 0
        try:
            unheard = self._auditor.differs()
        except TimeoutError as error:
            self.tally.wrong.append(f"not settled: {error}")
            unheard = []
        self._load.sync()
        self.tally.resent += 1
        self.tally.mended += bool(unheard)


@contextlib.contextmanager
def scratch_site() -> Iterator[Site]:
    with ScratchHost(rabbit=True) as host:
        file = host.directory / "sender.conf"
        file.write_text("[oslo_messaging_rabbit]\namqp_durable_queues = true\n")
        cfg.CONF(["--config-file", str(file)], project="soak")
        with Site(host, "threading", _OPTIONS) as site:
            yield site


def main() -> int:
    args = arguments()
    tool.leave_the_machine("scripts/soak")
    tool.quiet_libraries()
    show.heading(f"Soak: {args.minutes:g} minutes, {args.ports} ports, --seed {args.seed}")
    with scratch_site() as site:
        soak = Soak(args, site)
        with Reporter(site, soak.tally):
            soak.run()
        print_table(soak.tally, site.daemon.log())
        memory.print_samples(soak.tally.samples)
    return 0 if soak.tally.good else 1


if __name__ == "__main__":
    sys.exit(main())
