"""``vif-agentctl watch``: what happens to ports, as it happens."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from typing import IO

import pytest

from tests.support.casting import CONTEXT, MODES, Site, Vif, numbered, wait_for
from tests.support.operating import CTL, ctl
from vif_agent.testing.daemon import HOST
from vif_agent.testing.host import ScratchHost

Payload = Callable[[str], Vif]


@pytest.fixture(scope="module", params=MODES)
def site(request: pytest.FixtureRequest, scratch_with_bus: ScratchHost) -> Iterator[Site]:
    with Site(scratch_with_bus, request.param) as running:
        yield running


class Watching:
    """The command, and the lines that it prints."""

    def __init__(self, site: Site, *arguments: str) -> None:
        argv = (CTL, "--config-file", str(site.daemon.config_file), "watch", *arguments)
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(argv, stdout=pipe, stderr=pipe, text=True)
        self.out, self.err = (_lines(s) for s in (self.process.stdout, self.process.stderr))

    def until(self, words: str) -> str:
        """The first line with these words."""
        while words not in (line := self.out.get(timeout=60)):
            pass
        return line


def _lines(stream: IO[str] | None) -> queue.SimpleQueue[str]:
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=lambda: [*map(lines.put, stream or ())], daemon=True).start()
    return lines


@contextlib.contextmanager
def watching(site: Site, *arguments: str) -> Iterator[Watching]:
    """From a moment on that is surely before what follows: the port of its own is plugged until it
    is seen."""
    watch = Watching(site, *arguments)
    try:
        yield watch
    finally:
        watch.process.kill()
        watch.process.wait()


def begun(site: Site, watch: Watching, vif: Vif) -> None:
    """It sees what happens from now on: the port is cast again until that is seen."""

    def seen() -> bool:
        site.plug(vif)
        with contextlib.suppress(queue.Empty):
            return "wished" in watch.out.get(timeout=1)
        return False

    wait_for(seen, "the first event")


def test_events_are_printed_as_they_happen_over_a_restart_of_the_agent(
    site: Site, payload: Payload
) -> None:
    vif, other = payload("bridge"), numbered(payload("bridge"), 2)
    with watching(site) as watch:
        begun(site, watch, vif)
        site.unplug(vif)
        assert vif["id"] in watch.until("  unplugged   ")
        site.daemon.kill()
        site.daemon.start()
        site.plug(other)
        assert other["id"] in watch.until("  ready       ")
        wait_for(lambda: "was started anew" in watch.err.get(timeout=30), "a word of the restart")
        watch.process.send_signal(signal.SIGINT)
        assert watch.process.wait(30) == 0
    site.unplug_all()


def test_one_port_as_json(site: Site, payload: Payload) -> None:
    vif, other = payload("bridge"), numbered(payload("bridge"), 2)
    site.plug(vif)
    with watching(site, vif["devname"], "-f", "json") as watch:
        begun(site, watch, vif)
        site.plug(other)
        site.unplug(vif)
        event = json.loads(watch.until('"unplugged"'))
        assert (event["port_id"], event["what"]) == (vif["id"], "unplugged")
        seen = []
        with contextlib.suppress(queue.Empty):
            while True:
                seen.append(watch.out.get_nowait())
        assert not [line for line in seen if other["id"] in line]
    site.unplug_all()


def test_watcher_that_is_killed_leaves_nothing_that_piles_up(site: Site, payload: Payload) -> None:
    def waiting() -> int:
        lengths = site.rabbit.ctl("-q", "list_queues", "--no-table-headers", "messages").split()
        return sum(map(int, lengths))

    before = waiting()
    with watching(site) as watch:
        begun(site, watch, payload("bridge"))
        os.kill(watch.process.pid, signal.SIGKILL)
        watch.process.wait()
    site.unplug_all()
    notified = sum(site.api.get_status(CONTEXT, HOST)["told"].values())
    assert waiting() - before <= notified, "notifications, which nobody here takes, and no more"


def test_without_an_agent_it_says_what_to_ask_instead(site: Site) -> None:
    ctl(site.daemon.config_file, "--local", "watch").refused("vif-agentctl why PORT")
