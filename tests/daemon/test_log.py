"""What operators tail: how it begins, and that it says nothing twice, nor where nothing happens."""

from __future__ import annotations

import datetime
import logging
import re
from collections.abc import Callable, Iterator

import pytest

from tests.support.casting import CONTEXT, MODES, Site, Vif, wait_for
from tests.support.examples import INSTANCE
from vif_agent import __version__
from vif_agent.daemon.repeats import Repeats
from vif_agent.testing.daemon import HOST
from vif_agent.testing.host import ScratchHost

Payload = Callable[[str], Vif]

_LINE = re.compile(r"(?P<at>\S+ \S+) \d+ (?P<level>[A-Z]+) (?P<name>\S+) \[[^]]*\] (?P<text>.*)")


@pytest.fixture(scope="module", params=MODES)
def site(request: pytest.FixtureRequest, scratch_with_bus: ScratchHost) -> Iterator[Site]:
    options: dict[str, dict[str, object]] = {"vif_agent": {"check_interval": 0.5}}
    # as Open vSwitch's own start script does
    scratch_with_bus.ovs.vsctl("set", "open_vswitch", ".", "ovs_version=3.1.0")
    with Site(scratch_with_bus, request.param, options) as running:
        yield running


def lines(site: Site) -> list[re.Match[str]]:
    return [found for line in site.daemon.log().splitlines() if (found := _LINE.match(line))]


def test_log_begins_with_what_this_is_and_on_what_it_stands(site: Site) -> None:
    wait_for(lambda: "OVSDB connected" in site.daemon.log(), "Open vSwitch")
    first = "\n".join(line["text"] for line in lines(site)[:10])
    broker = site.rabbit.url.rpartition("@")[2].partition("/")[0]
    for begin in (
        rf"vif-agent {__version__}: bus contract 1\.0, Python 3\.\d+\.\d+\S*, {site.concurrency},",
        rf"Host {HOST}: Linux \S+, state in {site.daemon.state_path}",
        r"Plugins: 802\.1qbg, .*\bovs\b",
        rf"Store {site.daemon.state_path}/\S+: no port is known",
        rf"Bus: rabbit, {broker}, virtual host ",
        r"OVSDB connected: Open vSwitch 3\.1\.0, by unix:",
    ):
        assert len(re.findall(rf"^{begin}", first, re.MULTILINE)) == 1, (begin, first)
    assert "guest:" not in first


def test_nothing_is_said_where_nothing_happens(site: Site, payload: Payload) -> None:
    """Though the whole host is looked at twice a second."""
    vifs = [payload(name) for name in ("ovs_hybrid", "bridge", "tap")]
    for number, vif in enumerate(vifs):
        vif["id"] = f"{number}{vif['id'][1:]}"
        site.plug(vif)
    wait_for(lambda: site.states() == {"ready"}, "ready ports")
    _looks(site, 2)  # of what came late: Open vSwitch, a carrier
    said = site.daemon.log()
    _looks(site, 5)
    assert site.daemon.log().removeprefix(said) == ""


def _looks(site: Site, number: int) -> None:
    for _ in range(number):
        before = site.api.get_status(CONTEXT, HOST)["last_full_look_at"]
        wait_for(
            lambda before=before: (  # type: ignore[misc]
                site.api.get_status(CONTEXT, HOST)["last_full_look_at"] != before
            ),
            "a look at the whole host",
        )


@pytest.mark.broker
def test_no_line_is_said_twice_a_second(site: Site, payload: Payload) -> None:
    """Casts that are refused again and again, Open vSwitch and the broker that come and go."""
    for _ in range(200):
        site.cast("plug_vif", instance=INSTANCE, vif={"id": "none"})
    site.plug(payload("unbound"), wait=None)
    site.host.ovs.stop()
    site.plug(payload("ovs_create_tap"), wait=None)
    if site.concurrency == "threading":  # it takes its time
        site.rabbit.stop()
        wait_for(lambda: site.daemon.log().count("is unreachable") > 2, "several who notice it")
        site.rabbit.start()
        site.rejoined()
    site.host.ovs.start()
    wait_for(lambda: site.port(payload("ovs_create_tap"))["state"] == "ready", "the port")
    said: dict[tuple[str, str, str], datetime.datetime] = {}
    for line in lines(site):
        at = datetime.datetime.fromisoformat(line["at"])
        words = line["level"], line["name"], line["text"]
        # by the clock of the log, which counts milliseconds
        assert said.get(words, at) <= at - datetime.timedelta(seconds=0.99) or words not in said
        said[words] = at
    refused = [text for _, _, text in said if "refused port=" in text]
    assert 0 < len(refused) < 20


# what is held back


@pytest.fixture
def now() -> list[float]:
    return [100.0]


def _record(text: str, *values: object) -> logging.LogRecord:
    return logging.LogRecord("vif_agent", logging.ERROR, "", 0, text, values, None)


def test_line_is_held_back_for_a_second_and_counted(now: list[float]) -> None:
    repeats = Repeats(lambda: now[0])
    assert repeats.filter(_record("port %s", "a"))
    assert repeats.filter(_record("port %s", "b")), "another line"
    for _ in range(3):
        now[0] += 0.3
        assert not repeats.filter(_record("port %s", "a"))
    now[0] += 0.2
    again = _record("port %s", "a")
    assert repeats.filter(again)
    assert again.getMessage() == "port a (and 3 times more before)"
    now[0] += 1
    last = _record("port %s", "a")
    assert repeats.filter(last)
    assert last.getMessage() == "port a"


def test_another_error_behind_the_same_words_is_another_line(now: list[float]) -> None:
    repeats = Repeats(lambda: now[0])
    for error, passes in ((KeyError("a"), True), (KeyError("b"), True), (KeyError("a"), False)):
        record = _record("Cannot read a cast")
        record.exc_info = (type(error), error, None)
        assert repeats.filter(record) is passes


def test_record_is_judged_once_for_all_handlers(now: list[float]) -> None:
    repeats = Repeats(lambda: now[0])
    record = _record("100 % full")
    assert repeats.filter(record)
    assert repeats.filter(record)
    again = _record("100 % full")
    assert not repeats.filter(again)
    assert not repeats.filter(again)


def test_line_whose_words_do_not_fit_its_values_harms_nobody_who_says_it(now: list[float]) -> None:
    """A library's mistake: logging itself prints where that is, and goes on."""
    assert Repeats(lambda: now[0]).filter(_record("%d ports", "many"))


def test_what_is_remembered_is_bounded(now: list[float]) -> None:
    repeats = Repeats(lambda: now[0])
    for number in range(2000):
        assert repeats.filter(_record("line %d", number))
        assert not repeats.filter(_record("line %d", number))
    assert len(repeats._until) == len(repeats._held) == 500
