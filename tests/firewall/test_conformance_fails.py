"""The suite for drivers can fail: each of these drivers breaks one rule of the contract."""

from __future__ import annotations

import pytest

from tests.support import foreign
from tests.support.examples import PAYLOADS
from vif_agent.firewall.base import GROUP

SOURCE = """
import dataclasses, itertools, time

count = itertools.count()

class Good(FirewallDriver):
    contract = "1.0"

    def guard(self, vif):
        pairs = ((vif.mac, "0.0.0.0/0"), (vif.mac, "::/0"))
        return self.changed(Guard(name=vif.tap_name, macs=(vif.mac,), pairs=pairs))

    def changed(self, guard):
        return guard

class Clock(Good):
    def changed(self, guard):
        time.time()
        return guard

class Counts(Good):
    def changed(self, guard):
        return dataclasses.replace(guard, router=next(count) % 3 == 1)

class Others(Good):
    def changed(self, guard):
        return dataclasses.replace(guard, name="tap-of-another")

class Raises(Good):
    def changed(self, guard):
        return {}["nothing"]

class Future(Good):
    contract = "1.1"
"""
ASKED = "test_is_asked_as_the_agent_asks_it"
SAME = "test_same_vif_has_the_same_answer"
PURE = "test_does_nothing_but_answer"
LOADS = "test_entry_point_loads_and_speaks_a_known_contract"
#: class, tests that fail
BAD = {
    "good": ("Good", set[str]()),
    "clock": ("Clock", {PURE}),
    "counts": ("Counts", {SAME}),
    "others": ("Others", {ASKED, SAME, PURE}),
    "raises": ("Raises", {ASKED, SAME, PURE}),
    "future": ("Future", {ASKED, SAME, PURE, LOADS}),
}
SUITE = """
from vif_agent.testing.firewall_conformance import FirewallDriverConformance

class Test(FirewallDriverConformance):
    driver, payloads = "{name}", "*.json"
"""


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The tests that failed, by the driver; all suites in one run, without the one on a host."""
    directory = tmp_path_factory.mktemp("bad")
    drivers = {name: bad[0] for name, bad in BAD.items()}
    foreign.package(directory, "bad-drivers", SOURCE, drivers, group=GROUP)
    (directory / "bridge.json").write_text((PAYLOADS / "bridge.json").read_text())
    done = foreign.run_suites(directory, SUITE, BAD, but="stands")
    return foreign.failed_tests(done, BAD)


@pytest.mark.parametrize("name", BAD)
def test_breach_of_the_contract_fails_the_suite(failed: dict[str, set[str]], name: str) -> None:
    assert failed[name] == BAD[name][1]
