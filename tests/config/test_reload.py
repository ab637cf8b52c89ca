"""SIGHUP: what can be is read anew, and nothing ends."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from tests.support.casting import MODES, Site, Vif, wait_for
from vif_agent.testing.host import ScratchHost

TOLD = ["RELOADING=1", "READY=1"]  # also of a file that is wrong: all goes on as it was


@pytest.fixture(params=MODES)
def site(request: pytest.FixtureRequest, scratch_with_bus: ScratchHost) -> Iterator[Site]:
    with Site(scratch_with_bus, request.param) as running:
        yield running


def hang_up(site: Site, *, text: str, answer: str) -> None:
    """With this file; the helper gets the signal, too, as from a terminal."""
    assert site.daemon.process
    site.daemon.config_file.write_text(text)
    time.sleep(1)  # no line is said twice a second
    output = site.daemon.log().count(answer)
    for pid in (site.daemon.helper_pid(), site.daemon.process.pid):
        os.kill(pid, signal.SIGHUP)
    wait_for(lambda: site.daemon.log().count(answer) > output, answer)
    wait_for(lambda: site.daemon.notified()[-1] == "READY=1", "the end of the reload")
    assert [line for line in site.daemon.notified() if line in TOLD][-2:] == TOLD


def test_hang_up_reads_the_configuration_again(site: Site, payload: Callable[[str], Vif]) -> None:
    good = site.daemon.config_file.read_text()
    changed = good.replace("[DEFAULT]", "[DEFAULT]\ndebug = true", 1)
    hang_up(site, text=changed + "[cleanup]\nenabled = true\n", answer="was read again")
    log = site.daemon.log()
    assert "Option cleanup.enabled changed from [None] to [true]" in log
    assert "Option DEFAULT.debug changed from [None] to [true]" in log
    hang_up(site, text=good.replace("host = ", "host = not-"), answer="was read again")
    assert "Ignoring change to immutable option DEFAULT.host" in site.daemon.log()
    assert site.plug(payload("tap"))["state"] == "ready"


@pytest.mark.parametrize(
    "wrong",
    ["[vif_agent]\ncheck_interval = soon\n", "[DEFAULT]\ndebug = perhaps\n", "no section\n"],
)
def test_file_with_a_mistake_changes_nothing(
    site: Site, payload: Callable[[str], Vif], wrong: str
) -> None:
    good = site.daemon.config_file.read_text()
    hang_up(site, text=wrong + good, answer="SIGHUP: all stays as it was: ")
    hang_up(site, text=good + "[cleanup]\nmax_per_round = 3\n", answer="was read again")
    assert "Option cleanup.max_per_round changed from [None] to [3]" in site.daemon.log()
    assert site.plug(payload("tap"))["state"] == "ready"
    assert site.daemon.alive()
