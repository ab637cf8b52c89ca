"""The conformance suite can fail: each of these plugins breaks one rule of the contract."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support import foreign
from tests.support.examples import PAYLOADS

SOURCE = """
import datetime, itertools, random, threading, time

count = itertools.count()

class Good(Plugin):
    contract = "1.0"

    def resources(self, vif):
        return [Tap(name=self.name(vif), mtu=vif.mtu)]

    def name(self, vif):
        return "tap" + vif.short_id

class Reads(Good):
    def name(self, vif):
        open("/proc/self/stat").close()
        return super().name(vif)

class Threads(Good):
    def name(self, vif):
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
        return super().name(vif)

class Sleeps(Good):
    def name(self, vif):
        time.sleep(0)
        return super().name(vif)

class Dates(Good):
    def name(self, vif):
        datetime.datetime.now()
        return super().name(vif)

class Dice(Good):
    def name(self, vif):
        random.random()
        return super().name(vif)

class Clock(Good):
    def name(self, vif):
        return f"tap{time.time_ns() % 10**11}"

class Counts(Good):
    def name(self, vif):
        return f"tap{next(count)}"

class OneName(Good):
    def name(self, vif):
        return "tapacme"

class LongName(Good):
    def name(self, vif):
        return "tap" + vif.port_id

class Raises(Good):
    def name(self, vif):
        return vif.devname[:14]

class NoVersion(Good):
    contract = ""
"""
ASKED = "test_is_asked_as_the_agent_asks_it"
SAME = "test_same_vif_has_the_same_answer"
PURE = "test_does_nothing_but_answer"
NAMES = "test_two_ports_have_nothing_in_common_but_what_is_shared"
LOADS = "test_entry_point_loads_and_speaks_a_known_contract"
ALL = {ASKED, SAME, PURE, NAMES, LOADS}
#: class, tests that fail
BAD = {
    "good": ("Good", set[str]()),
    "reads": ("Reads", {PURE}),
    "threads": ("Threads", {PURE}),
    "sleeps": ("Sleeps", {PURE}),
    "dates": ("Dates", {PURE}),
    "dice": ("Dice", {PURE}),
    "clock": ("Clock", {ASKED, SAME, PURE}),
    "counts": ("Counts", {ASKED, SAME}),
    "one_name": ("OneName", {ASKED, NAMES}),
    "long_name": ("LongName", ALL - {LOADS}),
    "raises": ("Raises", {SAME, PURE}),
    "no_version": ("NoVersion", ALL),
}
SUITE = """
from vif_agent.testing.conformance import PluginConformance

class Test(PluginConformance):
    plugin, payloads = "{name}", "*.json"
"""
ON_HOST = "plug_and"
BARE = {
    "id": "7e0c5a52-64f4-4b2e-9d3c-0f6a1b2c3d4e", "type": "good", "address": "fa:16:3e:11:22:33",
}  # fmt: skip


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The tests that failed, by the plugin; all suites in one run, without those on a host."""
    directory = tmp_path_factory.mktemp("bad")
    foreign.package(directory, "bad-plugins", SOURCE, {n: bad[0] for n, bad in BAD.items()})
    (directory / "tap.json").write_text((PAYLOADS / "tap.json").read_text())
    done = foreign.run_suites(directory, SUITE, BAD, ON_HOST)
    return foreign.failed_tests(done, BAD)


@pytest.mark.parametrize("name", BAD)
def test_breach_of_the_contract_fails_the_suite(failed: dict[str, set[str]], name: str) -> None:
    assert failed[name] == BAD[name][1]


@pytest.mark.parametrize(
    ("payload", "answer"),
    [
        (json.dumps(BARE), "5 passed"),
        (json.dumps({**BARE, "network": None, "details": None}), "5 passed"),
        (json.dumps({**BARE, "id": "x"}), "vif.json: vif.id: expected a UUID, got 'x'"),
        ('{"id": 7', "vif.json: Expecting ',' delimiter"),
    ],
)
def test_payload_says_little_or_is_none(tmp_path: Path, payload: str, answer: str) -> None:
    foreign.package(tmp_path, "good-plugin", SOURCE, {"good": "Good"})
    (tmp_path / "vif.json").write_text(payload)
    done = foreign.run_suites(tmp_path, SUITE, ["good"], ON_HOST)
    assert answer in done.stdout
    assert "Traceback" not in done.stdout
