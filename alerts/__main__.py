"""``python -m alerts``: a minute of mixed load that wakes nobody, then each alert by its fault."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from alerts.faults import Faults
from alerts.prometheus import Prometheus
from tests.metrics.test_boards import NAMES, expressions
from tests.metrics.test_listener import free_port
from tests.metrics.test_rules import rules
from tests.metrics.test_scrape import Watched
from tests.support import foreign
from tests.support.casting import MODES, numbered
from tests.support.operating import CTL
from tests.support.prometheus import promtool
from vif_agent.testing import netns, processes
from vif_agent.testing.host import ScratchHost

_PATIENCE = 150.0
_PLUGIN = """
import os, time

class Acme(Plugin):
    contract = "1.0"

    def resources(self, vif):
        while os.path.exists({hangs!r}):
            time.sleep(0.1)
        return [Tap(name="tap" + vif.short_id, mtu=vif.mtu)]
"""
_PROGRAM = "#!/bin/sh\ntest ! -e {fails}\n"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/test-alerts",
        description="A real Prometheus reads a real agent on a scratch host: under a minute of "
        "mixed load no alert comes, and then each by the fault it is for. Exits 0 only if all did.",
    )
    parser.add_argument("--concurrency", choices=MODES, default=MODES[0])
    parser.add_argument("--load", type=float, default=60, metavar="SECONDS")
    parser.add_argument("alert", nargs="*", help="only these")
    return parser.parse_args()


@contextlib.contextmanager
def small_disk(host: ScratchHost) -> Iterator[Path]:
    """For the store; it can be filled up."""
    path = host.directory / "disk"
    path.mkdir()
    processes.run(("mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(path)), os.environ)
    try:
        yield path
    finally:
        processes.run(("umount", "-l", str(path)), os.environ)


@contextlib.contextmanager
def watched(host: ScratchHost, concurrency: str, disk: Path) -> Iterator[Watched]:
    directory, port = host.directory / "alerts", free_port()
    directory.mkdir()
    program = directory / "mm-ctl"
    program.write_text(_PROGRAM.format(fails=directory / "fails"))
    program.chmod(0o755)
    source = _PLUGIN.format(hangs=str(directory / "hangs"))
    foreign.package(directory, "acme-plugins", source, {"acme": "Acme"})
    options: dict[str, dict[str, object]] = {
        "metrics": {"listen": f"127.0.0.1:{port}"},
        "commands": {"allowed": f"mm-ctl:{program}"},
        "plugins": {"timeout": 1},
        "firewall": {"driver": "nftables"},
    }
    argv = ("env", f"PYTHONPATH={directory}", str(Path(CTL).parent / "vif-agent"))
    with Watched(host, concurrency, options, argv=argv, state_path=disk / "state") as site:
        site.door = port
        yield site


class Show:
    def __init__(self, prometheus: Prometheus, faults: Faults) -> None:
        self._prometheus, self._faults = prometheus, faults
        self.failed: list[str] = []

    def load(self, seconds: float) -> None:
        """Plugs and unplugs of all kinds; nobody is woken, and each scrape is short."""
        site, dice, until = self._faults.site, random.Random(13), time.monotonic() + seconds
        done, woken = 0, dict[str, str]()
        while time.monotonic() < until:
            name = dice.choice(("ovs_create_tap", "tap", "bridge", "ovs_hybrid"))
            vif = numbered(self._faults.vif(name), 7000 + dice.randrange(40))
            (site.plug if dice.random() < 0.6 else site.unplug)(vif, wait=dice.choice((None, 60)))
            done += 1
            woken |= self._prometheus.firing()
        (longest,) = self._prometheus.ask("max(max_over_time(scrape_duration_seconds[2m]))")
        (scrapes,) = self._prometheus.ask("max(count_over_time(up[2m]))")
        site.scrape()
        status, words = promtool("check", "metrics", given=site.text)
        told = f"promtool check metrics: {status} {words}"
        print(f"load: {done} requests, {scrapes:.0f} scrapes, longest {longest:.3f} s; {told}")
        if woken or status:
            self.failed.append(f"load: {woken or words}")
        site.unplug_all()

    def boards(self) -> None:
        """Prometheus answers all that they ask; by nothing, of what the load has not in it."""
        agent = f"127.0.0.1:{self._faults.site.door}"
        asked = {expression for name in NAMES for expression in expressions(name, agent)}
        answers = {expression: self._prometheus.ask(expression) for expression in asked}
        empty = [expression for expression, answer in answers.items() if not answer]
        print(f"boards: {len(asked)} questions answered, {len(empty)} of them by nothing")
        print(*(f"  {expression}" for expression in sorted(empty)), sep="\n", flush=True)

    def alert(self, name: str) -> None:
        """It comes, of its fault; then all is quiet again."""
        try:
            self._alert(name)
        except Exception as error:  # the next may come all the same
            self.failed.append(f"{name}: {error!r}")

    def _alert(self, name: str) -> None:
        if (name not in Faults.all) or not self._quiet():
            self.failed.append(f"{name}: no fault, or others are still there")
            return
        began = time.monotonic()
        with Faults.all[name](self._faults):
            there = self._comes(name)
        beside = ", ".join(sorted(there.keys() - {name})) or "none"
        took = f"{time.monotonic() - began:.0f} s; beside it: {beside}"
        print(f"{name}: {there.get(name, 'DID NOT COME')} ({took})", flush=True)
        if name not in there:
            self.failed.append(name)
        self._faults.site.unplug_all()

    def _comes(self, name: str) -> dict[str, str]:
        until = time.monotonic() + _PATIENCE
        while name not in (there := self._prometheus.firing()) and time.monotonic() < until:
            time.sleep(0.2)
        return there

    def _quiet(self) -> bool:
        until = time.monotonic() + _PATIENCE
        while (there := self._prometheus.firing()) and time.monotonic() < until:
            time.sleep(0.2)
        if there:
            print(f"still there: {there}", flush=True)
        return not there


def main() -> int:
    args = arguments()
    logging.basicConfig(level=logging.CRITICAL)  # oslo.messaging tells of a broker that is stopped
    netns.isolate_process()
    with (
        ScratchHost(rabbit=True) as host,
        small_disk(host) as disk,
        watched(host, args.concurrency, disk) as site,
        Faults(site, host.directory / "alerts", disk, other := free_port()) as faults,
        Prometheus(host.directory / "prometheus", free_port(), site.door, other) as prometheus,
    ):
        show = Show(prometheus, faults)
        show.load(args.load)
        show.boards()
        for name in args.alert or [rule["alert"] for rule in rules()]:
            show.alert(name)
    print("failed: " + "; ".join(show.failed) if show.failed else "all as they are to be")
    return bool(show.failed)


if __name__ == "__main__":
    sys.exit(main())
