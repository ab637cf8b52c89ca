"""Commands that take their time: what a terminal shows meanwhile, and ``repair --wait``."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.casting import MODES, Site, Vif, wait_for
from tests.support.operating import CTL, ctl, frozen
from vif_agent.cmd.ctl import progress, settling
from vif_agent.testing import processes
from vif_agent.testing.host import ScratchHost


@pytest.fixture(scope="module", params=MODES)
def site(request: pytest.FixtureRequest, scratch_with_bus: ScratchHost) -> Iterator[Site]:
    with Site(scratch_with_bus, request.param) as running:
        yield running


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_line_comes_after_a_second_and_goes_again() -> None:
    terminal = Terminal()
    with progress.shown(lambda: "x" * 200, terminal):
        deadline = time.monotonic() + 30
        while not terminal.getvalue():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert terminal.getvalue() == f"\r\033[K{'x' * 79}\r"
    assert terminal.getvalue().endswith("\r\033[K")


def test_line_is_not_wrapped_where_the_terminal_is_narrow() -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 20, 0, 0))
    with os.fdopen(theirs, "w") as stream:
        with progress.shown(lambda: "x" * 200, stream):
            said = os.read(ours, 1000).decode()
        os.close(ours)
    assert said == f"\r\033[K{'x' * 19}\r"


def test_who_is_answered_soon_and_who_is_no_terminal_sees_nothing() -> None:
    terminal, file = Terminal(), io.StringIO()
    with progress.shown(lambda: "x", terminal), progress.shown(lambda: "x", file):
        pass
    assert terminal.getvalue() == file.getvalue() == ""


def test_terminal_shows_for_whom_a_command_waits(site: Site) -> None:
    ours, theirs = pty.openpty()
    argv = (CTL, "--config-file", str(site.daemon.config_file), "--timeout", "4", "status")
    with frozen(site.daemon):
        done = subprocess.run(
            argv, stdout=subprocess.DEVNULL, stderr=theirs, timeout=60, check=False
        )
    os.close(theirs)
    said = os.read(ours, 10_000).decode()
    os.close(ours)
    assert "get_status: waiting for scratch, 1 s\r" in said, (done, said)


class Agent:
    """Answers one status after the other, the last again and again."""

    def __init__(self, *statuses: tuple[float | None, str, dict[str, int]]) -> None:
        names = ("round_lasts_s", "last_full_look_at", "ports")
        self._statuses = [dict(zip(names, each, strict=True)) for each in statuses]
        self.asked: list[str] = []

    def ask_agent(self, call: str, /, **arguments: Any) -> Any:
        self.asked.append(call)
        if call == "repair":
            return None
        return self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]


@pytest.mark.parametrize(
    ("statuses", "well", "words"),
    [
        (
            [
                (0.2, "a", {"ready": 2}),  # this look has begun before
                (None, "b", {"ready": 2}),
                (0.1, "b", {"ready": 2}),
                (None, "c", {"retrying": 1, "ready": 1}),
                (None, "c", {"ready": 2}),
            ],
            True,
            "2 ready",
        ),
        ([(None, "a", {}), (None, "b", {})], True, "no ports"),
        ([(None, "a", {"ready": 1}), (None, "b", {"error": 1})], False, "1 error"),
        ([(None, "a", {"ready": 1})], False, "1 ready; not looked at yet"),
        ([(None, "a", {}), (None, "b", {"pending": 3})], False, "3 pending"),
    ],
)
def test_repair_is_over_when_a_look_has_begun_after_it_and_all_is_settled(
    statuses: list[tuple[float | None, str, dict[str, int]]], well: bool, words: str
) -> None:
    agent = Agent(*statuses)
    assert settling.repaired(agent, 2) == (well, words)
    assert agent.asked.index("repair") == (2 if statuses[0][0] else 1)


def test_repair_waits_until_the_host_was_looked_at(
    site: Site, payload: Callable[[str], Vif]
) -> None:
    vif = payload("tap")
    site.plug(vif)
    processes.run(("ip", "link", "set", vif["devname"], "mtu", "1400"), os.environ)
    said = ctl(site.daemon.config_file, "repair", "--wait", "60")
    assert (said.code, said.out, said.err) == (0, "1 ready\n", "")
    assert site.host.links()[vif["devname"]]["mtu"] == 1450
    bad = {**payload("unbound"), "id": "7" + vif["id"][1:]}
    site.plug(bad, wait=None)
    wait_for(lambda: site.port(bad)["state"] == "error", "the error")
    said = ctl(site.daemon.config_file, "repair", "--wait", "60")
    assert (said.code, said.out) == (1, "1 error, 1 ready\n")
    ctl(site.daemon.config_file, "repair", "--wait", "9", vif["id"]).refused("--wait is for the")
