"""``python -m nova_check``: nova's own driver on a scratch host, by both ways, case by case."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from nova_check import bound, interfaces, show
from nova_check.allowed import unlisted, unmet
from nova_check.cases import CASES, Case
from nova_check.child import Compute
from nova_check.turns import take
from nova_check.verdict import WRONG, Verdict, judge
from tests.support.casting import Site, nic
from vif_agent.testing import netns
from vif_agent.testing.host import ScratchHost


def main() -> int:
    arguments = _arguments()
    wanted = arguments.case
    chosen = [case for case in CASES if _is_wanted(case.title, wanted)]
    netns.isolate_process()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    verdicts = [*_verdicts(chosen, own_bridge=False), *_verdicts(chosen, own_bridge=True)]
    complaints = [f"docs/nova.md has no row '{listed}'" for listed in unlisted()]
    if chosen == list(CASES):
        complaints += [f"listed, but no case has shown it: {text}" for text in _unmet(verdicts)]
    if _is_wanted(interfaces.TITLE, wanted):
        complaints += interfaces.check(arguments.record).failed
    if _is_wanted(bound.TITLE, wanted):
        complaints += bound.check().failed
    show.total(verdicts, complaints)
    return 1 if complaints or any(seen.word == WRONG for seen in verdicts) else 0


def _is_wanted(title: str, wanted: Sequence[str]) -> bool:
    return not wanted or any(part in title for part in wanted)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/test-nova",
        description="Plugs and unplugs through nova's own LibvirtGenericVIFDriver, once with "
        "os-vif's plugin and once with vif-agent, and compares the host. Exits 0 only if it "
        "differs in nothing but what docs/nova.md lists, and if nova starts a guest whose port "
        "a real Neutron has bound by our mechanism driver.",
    )
    titles = "; ".join([*(case.title for case in CASES), interfaces.TITLE, bound.TITLE])
    parser.add_argument("case", nargs="*", help=f"part of a title, of: {titles}")
    parser.add_argument(
        "--record",
        action="store_true",
        help="write the interfaces of demo/guests anew, as nova writes them now",
    )
    return parser.parse_args()


def _verdicts(chosen: Sequence[Case], own_bridge: bool) -> Iterator[Verdict]:
    """On a host with this setting, those that are for one."""
    cases = [case for case in chosen if case.own_bridge == own_bridge]
    if not cases:
        return
    with _sides(own_bridge) as (site, osvif, ours):
        print(f"{', '.join(ours.versions())}; Linux {os.uname().release}")
        for case in cases:
            yield _compare(site, osvif, ours, case)


@contextlib.contextmanager
def _sides(own_bridge: bool) -> Iterator[tuple[Site, Compute, Compute]]:
    """The agent runs all the while: it must leave alone what it is not asked for."""
    options = {"ovs": {"isolate": "always", "per_port_bridge": str(own_bridge)}}
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(ScratchHost(rabbit=True))
        site = stack.enter_context(Site(host, "threading", options))
        stack.enter_context(nic("eth1"))  # of the macvtap payload
        place: dict[str, Any] = {
            "url": site.rabbit.url,
            "ovsdb": host.ovs.connection,
            "own_bridge": own_bridge,
        }
        osvif = stack.enter_context(Compute(host.directory / "osvif", **place, take_over=""))
        ours = stack.enter_context(Compute(host.directory / "ours", **place, take_over="ovs"))
        yield site, osvif, ours


def _compare(site: Site, osvif: Compute, ours: Compute, case: Case) -> Verdict:
    seen = judge(case, take(site, osvif, case), take(site, ours, case))
    show.verdict(seen)
    return seen


def _unmet(verdicts: Sequence[Verdict]) -> list[str]:
    return unmet(allowed for seen in verdicts for _, allowed in seen.found if allowed)


if __name__ == "__main__":
    sys.exit(main())
