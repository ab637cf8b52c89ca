"""The agent as a user without root: who holds which capability, and what happens without it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import accounts
from tests.support.casting import GOOD, MODES, Site, Vif, wait_for
from vif_agent.testing import processes
from vif_agent.testing.host import ScratchHost

NOBODY = 65534
NET_ADMIN = 1 << 12
AGENT = str(Path(sys.executable).parent / "vif-agent")
AS_NOBODY = (
    *("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"),
    *("--inh-caps=-all,+net_admin", "--ambient-caps=-all,+net_admin"),
    *("--bounding-set=-all,+net_admin", "--no-new-privs"),
    AGENT,
)


@pytest.fixture(scope="module", params=MODES)
def site(request: pytest.FixtureRequest, scratch_with_bus: ScratchHost) -> Iterator[Site]:
    accounts.must_reach()
    running = Site(scratch_with_bus, request.param, argv=AS_NOBODY)
    os.chown(running.daemon.state_path, NOBODY, NOBODY)
    with running:
        yield running


def test_bus_process_has_no_capability_in_any_thread(
    site: Site, payload: Callable[[str], Vif]
) -> None:
    site.plug(payload("ovs_hybrid"))  # all threads have been started by now
    assert site.daemon.process
    threads = list(Path(f"/proc/{site.daemon.process.pid}/task").iterdir())
    found = [status for thread in threads if (status := _status_of_living(thread))]
    assert len(found) > (2 if site.concurrency == "threading" else 0)
    for status in found:
        assert set(status["Uid"].split()) == {str(NOBODY)}
        for which in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
            assert int(status[which], 16) == 0, (status, which)
    site.unplug(payload("ovs_hybrid"))


def test_helper_has_net_admin_and_nothing_else(site: Site) -> None:
    for thread in Path(f"/proc/{site.daemon.helper_pid()}/task").iterdir():
        assert set(_status(thread)["Uid"].split()) == {str(NOBODY)}
        for which in ("CapEff", "CapPrm"):
            assert int(_status(thread)[which], 16) == NET_ADMIN, (thread, which)


@pytest.mark.parametrize("name", GOOD)
def test_every_payload_works_without_root(
    site: Site, payload: Callable[[str], Vif], name: str
) -> None:
    before = site.host.links().keys()
    assert site.plug(payload(name))["state"] == "ready"
    assert site.unplug(payload(name))["state"] == "unplugged"
    assert site.host.links().keys() == before


def test_helper_killed_ends_the_agent_and_a_restart_carries_on(
    site: Site, payload: Callable[[str], Vif]
) -> None:
    first, second = payload("ovs_hybrid"), payload("bridge")
    site.plug(first)
    os.kill(site.daemon.helper_pid(), signal.SIGKILL)
    site.plug(second, wait=None)
    assert site.daemon.process
    assert site.daemon.process.wait(30) == 1
    assert "the privileged helper" in site.daemon.log().splitlines()[-1] + _criticals(site)
    site.daemon.start()
    wait_for(lambda: site.port(second)["state"] == "ready", "the second port")
    assert site.port(first)["state"] == "ready"
    site.unplug_all()


def test_helper_killed_with_a_call_unread_ends_the_agent_too(
    site: Site, payload: Callable[[str], Vif]
) -> None:
    """The channel is reset then, not closed, and privsep's own reader dies of it."""
    helper, vif = site.daemon.helper_pid(), payload("bridge")
    os.kill(helper, signal.SIGSTOP)
    site.plug(vif, wait=None)
    wait_for(lambda: site.port(vif)["state"] == "pending", "the request on disk")
    wait_for(lambda: not _idle(site), "a call in the channel")
    os.kill(helper, signal.SIGKILL)
    assert site.daemon.process
    assert site.daemon.process.wait(30) == 1
    site.daemon.start()
    wait_for(lambda: site.port(vif)["state"] == "ready", "the port")
    site.unplug_all()


def _idle(site: Site) -> bool:
    """Does the channel to the helper hold nothing unread? (ss shows the receiving queue.)"""
    answer = processes.run(("ss", "-xp"), os.environ)
    helper = f"pid={site.daemon.helper_pid()},"
    return not any(int(line.split()[2]) for line in answer.splitlines() if helper in line)


def test_agent_killed_takes_its_helper_along(site: Site) -> None:
    helper = Path(f"/proc/{site.daemon.helper_pid()}")
    site.daemon.kill()
    wait_for(lambda: not helper.exists() or "Z" in _status(helper)["State"], "the helper's end")
    site.daemon.start()


def _criticals(site: Site) -> str:
    return "".join(line for line in site.daemon.log().splitlines() if " CRITICAL " in line)


def _status_of_living(thread: Path) -> dict[str, str] | None:
    """One that answered a call may have ended since it was listed."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return _status(thread)
    return None


def _status(process: Path) -> dict[str, str]:
    lines = (process / "status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
