"""What a supervisor sees: readiness, status, an orderly end; and the unit file."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.casting import CONTEXT, MODES, QUEUE, Site, Vif, numbered, wait_for
from tests.support.operating import frozen
from vif_agent.daemon import systemd
from vif_agent.daemon.pulse import LIMIT, Pulse
from vif_agent.testing.daemon import HOST
from vif_agent.testing.host import ScratchHost

UNIT = Path(__file__).parent.parent.parent / "systemd" / "vif-agent.service"
AGENT = Path(sys.executable).parent / "vif-agent"
pytestmark = pytest.mark.broker
MORE_TIME = "EXTEND_TIMEOUT_USEC="
READY, STOPPING = "READY=1", "STOPPING=1"


@pytest.fixture(params=MODES)
def site(request: pytest.FixtureRequest, scratch_with_bus: ScratchHost) -> Iterator[Site]:
    with Site(scratch_with_bus, request.param) as running:
        yield running


def test_ready_only_when_the_broker_is_there(site: Site, payload: Callable[[str], Vif]) -> None:
    """The look at the host does not wait for the broker."""
    site.plug(payload("tap"))
    site.daemon.stop()
    with _broker_away(site):
        site.daemon.launch()
        assert READY not in site.daemon.wait_for_notice("STATUS=1 ready", 30)
        assert any(answer.startswith(MORE_TIME) for answer in site.daemon.notified())
        _stays(lambda: READY not in site.daemon.notified() and site.daemon.alive(), 2)
    site.daemon.wait_for_notice(READY, 60)


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[str]]]:
    """What a supervisor has been told since it was asked last: a watchdog of 180 s."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "180000000")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(tmp_path / "notify"))
        supervisor.setblocking(False)

        def heard() -> Iterator[str]:
            with contextlib.suppress(BlockingIOError):
                while True:
                    yield from supervisor.recv(100).decode().splitlines()

        yield lambda: [*heard()]


def test_start_asks_for_more_time_until_it_is_over(told: Callable[[], list[str]]) -> None:
    """systemd counts each extension from when it comes."""
    limit = systemd.StartLimit(pause=0)
    for _ in range(3):
        assert limit.next_due <= time.monotonic()
        limit.extend()
        assert told() == [MORE_TIME + "180000000"]
    limit.allow(1060)
    assert told() == [MORE_TIME + "1240000000"]
    limit.over()
    limit.extend()
    limit.allow(1060)
    assert told() == []


def test_what_may_take_long_and_ends_by_itself_is_no_hanging(
    told: Callable[[], list[str]],
) -> None:
    """A change of ten thousand links: the helper may take longer for it than the watchdog waits."""
    pulse = Pulse()
    pulse.started()
    told()
    pulse.allow(60)  # of a few links
    assert told() == []
    pulse.allow(1060)
    assert told() == ["WATCHDOG=1", "WATCHDOG_USEC=1240000000"]
    pulse._beaten -= LIMIT + 1000
    assert pulse.loop().ok
    pulse.beat()
    assert told() == ["WATCHDOG=1", "WATCHDOG_USEC=180000000"]
    pulse.beat()
    assert told() == []
    pulse._beaten -= LIMIT + 1
    assert not pulse.loop().ok


def test_reload_while_it_starts_does_not_end_the_start(told: Callable[[], list[str]]) -> None:
    pulse = Pulse()
    with pulse.reloading():
        pulse.started()
    assert told() == [READY]
    with pulse.reloading():
        reloading = told()
    assert reloading[0] == "RELOADING=1"
    assert reloading[1].startswith("MONOTONIC_USEC=")
    assert told() == [READY]


def test_status_follows_the_ports(site: Site, payload: Callable[[str], Vif]) -> None:
    site.plug(payload("tap"))
    site.daemon.wait_for_notice("STATUS=1 ready")
    site.plug(payload("unbound"), wait=None)
    site.daemon.wait_for_notice("STATUS=1 error, 1 ready")


def test_sigterm_is_an_orderly_end(site: Site) -> None:
    """Who has nothing to read from a broker looks at his orders every five seconds only."""
    wait_for(lambda: max(_wakes(site, 2).values()) < 2, "rest")
    began = time.monotonic()
    assert site.daemon.stop(timeout=15) == 0
    assert time.monotonic() - began < 3  # it takes 0.02 s
    assert STOPPING in site.daemon.wait_for_notice(STOPPING)
    assert site.daemon.log().splitlines()[-1].endswith("Stopped")


def test_sigterm_while_the_broker_is_away(site: Site) -> None:
    with _broker_away(site):
        wait_for(lambda: "unreachable" in site.daemon.log(), "a lost connection")
        began = time.monotonic()
        assert site.daemon.stop(timeout=20) == 0
        assert time.monotonic() - began < 10


def test_sigterm_while_the_broker_is_frozen(site: Site) -> None:
    with frozen(site.rabbit.broker):
        assert site.daemon.stop(timeout=30) == 0
    assert "Traceback" not in site.daemon.log()
    assert site.daemon.log().splitlines()[-1].endswith("Stopped")


def test_idle_agent_waits_for_events_and_reconciles_at_nothing(site: Site) -> None:
    """But for oslo.messaging's own readers, twice in ten seconds."""
    wait_for(lambda: max(_wakes(site, 3).values()) < 3, "rest")


def test_sigterm_before_the_broker_is_there(site: Site) -> None:
    site.daemon.stop()
    with _broker_away(site):
        answer = len(site.daemon.log())
        site.daemon.launch()
        wait_for(lambda: "refused" in site.daemon.log()[answer:].lower(), "a refused connection")
        assert site.daemon.stop(timeout=20) == 0


def test_sigterm_in_a_burst_leaves_the_rest_to_the_next(
    site: Site, payload: Callable[[str], Vif]
) -> None:
    vifs = [numbered(payload("ovs_hybrid"), 3000 + n) for n in range(60)]
    for vif in vifs[:30]:
        site.plug(vif, wait=None)
    assert site.daemon.process
    site.daemon.process.send_signal(signal.SIGTERM)
    assert site.daemon.stop() == 0
    for vif in vifs[30:]:
        site.plug(vif, wait=None)
    assert site.rabbit.queue_length(QUEUE) >= 30
    site.daemon.start()
    site.settled()
    ready = {p["port_id"] for p in site.api.list_vifs(CONTEXT, HOST) if p["state"] == "ready"}
    assert ready == {vif["id"] for vif in vifs}
    assert {"qvo" + vif["id"][:11] for vif in vifs} <= site.ovs_ports()


def test_second_agent_on_the_state_is_refused(site: Site) -> None:
    """Also when somebody has deleted the lock file under the first."""
    state = site.daemon.state_path
    for _ in range(2):
        with pytest.raises(BlockingIOError):
            systemd.lock(state, timeout=0.2)
        assert systemd.locked(state)
        (state / "lock").unlink()
    site.daemon.stop()
    with systemd.lock(state, timeout=30):
        assert systemd.locked(state)
    assert not systemd.locked(state)


def test_unit_is_clean_to_systemd(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/usr/bin/vif-agent", str(AGENT)))
    done = subprocess.run(
        ("systemd-analyze", "verify", "--man=no", str(unit)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    ours = [line for line in (done.stdout + done.stderr).splitlines() if "vif-agent" in line]
    assert (done.returncode, ours) == (0, [])


def test_unit_says_what_the_agent_needs() -> None:
    lines = UNIT.read_text().splitlines()
    for line in (
        "Type=notify",
        "User=vif-agent",
        "AmbientCapabilities=CAP_NET_ADMIN",
        "StateDirectory=vif-agent",
        "Restart=always",
        "StartLimitIntervalSec=0",
    ):
        assert line in lines


@contextlib.contextmanager
def _broker_away(site: Site) -> Iterator[None]:
    site.rabbit.stop()
    try:
        yield
    finally:
        site.rabbit.start()


def _wakes(site: Site, seconds: float) -> dict[str, int]:
    """How often each thread of the agent has begun to run."""
    before = _switches(site)
    time.sleep(seconds)
    return {thread: n - before.get(thread, 0) for thread, n in _switches(site).items()}


def _switches(site: Site) -> dict[str, int]:
    assert site.daemon.process
    found = {}
    for thread in Path(f"/proc/{site.daemon.process.pid}/task").iterdir():
        status = (thread / "status").read_text()
        found[thread.name] = int(status.partition("voluntary_ctxt_switches:")[2].split()[0])
    return found


def _stays(holds: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert holds()
        time.sleep(0.05)
