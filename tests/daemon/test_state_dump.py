"""SIGUSR2: what the agent is at, also while its loop is stuck."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.support.casting import MODES, Site, Vif, wait_for
from tests.support.operating import frozen
from vif_agent.config.shown import without_logins
from vif_agent.daemon import state_dump
from vif_agent.daemon.agent import Agent
from vif_agent.health import Health
from vif_agent.ports.port import PLUG, PortRequest
from vif_agent.ports.store import Store
from vif_agent.testing.host import ScratchHost

END = "== end of the state dump"


@pytest.fixture(params=MODES)
def site(request: pytest.FixtureRequest, scratch_with_bus: ScratchHost) -> Iterator[Site]:
    with Site(scratch_with_bus, request.param) as running:
        yield running


def test_agent_whose_loop_is_stuck_says_where(site: Site, payload: Callable[[str], Vif]) -> None:
    vif = payload("bridge")
    process = site.daemon.process
    assert process
    with frozen(site.daemon.helper_pid()):
        site.plug(vif, wait=None)
        wait_for(lambda: site.port(vif)["state"] == "pending", "the cast")
        os.kill(process.pid, signal.SIGUSR2)
        wait_for(lambda: END in site.daemon.log(), "the dump")
    raw, _, told = site.daemon.log().partition("== state dump")
    assert "(most recent call first):" in raw, "faulthandler's"
    for section in ("agent", "health", "work queue", "ports", "plugins", "configuration"):
        words = told.partition(f"== {section}\n")[2].partition("\n== ")[0]
        assert words, section
        assert "cannot be told" not in words
    stacks = told.partition("== threads\n")[2].partition(END)[0]
    assert "_reconcile" in stacks
    assert "helper" in stacks
    login = site.rabbit.url.partition("://")[2].partition("@")[0]
    assert ":" in login
    assert login not in told
    wait_for(lambda: site.port(vif)["state"] == "ready", "the port: nothing has ended")


def test_signal_harms_no_process_of_the_agent(site: Site) -> None:
    """As ``systemctl kill --signal=SIGUSR2`` sends it."""
    process = site.daemon.process
    assert process
    for pid in (site.daemon.helper_pid(), process.pid):
        os.kill(pid, signal.SIGUSR2)
    wait_for(lambda: END in site.daemon.log(), "the dump")
    os.kill(site.daemon.helper_pid(), 0)
    assert site.daemon.alive()


def test_ports_are_told_while_the_disk_hangs(store: Store) -> None:
    agent = object.__new__(Agent)
    agent._store, agent._health = store, Health({})
    store.put([PortRequest(port_id="a" * 8, verb=PLUG, vif={})])
    told: list[str] = []
    with store._transaction():  # which holds all there is to hold
        reader = threading.Thread(target=lambda: told.append(agent.sections()["ports"]()))
        reader.start()
        reader.join(30)
        assert told == ["pending: 1"]


def test_dump_that_nobody_takes_harms_nobody() -> None:
    survived: list[bool] = []
    with (
        contextlib.suppress(OSError),  # of what it has in hand when it is closed
        open("/dev/full", "w") as full,
        contextlib.redirect_stderr(full),
    ):
        state_dump.write({"a": lambda: "x" * 100_000})
        survived.append(True)
    assert survived


def test_section_that_breaks_harms_no_other() -> None:
    text = state_dump.text({"a": lambda: {"x": ""}["y"], "b": lambda: "well"})
    assert "== a\ncannot be told: KeyError('y')\n== b\nwell\n" in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rabbit://guest:secret@one:5672/", "rabbit://***@one:5672/"),
        ("rabbit://a:b@one,c:d@two/v", "rabbit://***@two/v"),
        ("rabbit://u:p@ss@one/", "rabbit://***@one/"),
        ("a rabbit://one/ and mail@example", "a rabbit://one/ and mail@example"),
    ],
)
def test_urls_are_shown_without_logins(text: str, shown: str) -> None:
    assert without_logins(text) == shown
