"""Who hangs is noticed, and harms no other: the privileged helper, the loop, OVSDB."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import oslo_messaging
import pytest

from tests.support.casting import CONTEXT, MODES, Site, Vif, numbered, wait_for
from tests.support.operating import frozen
from vif_agent import bus
from vif_agent.errors import HelperGone
from vif_agent.helper.client import Helper
from vif_agent.testing.daemon import HOST
from vif_agent.testing.host import ScratchHost

Payload = Callable[[str], Vif]

AGENT = str(Path(sys.executable).parent / "vif-agent")
FED = "WATCHDOG=1"


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def impatient(scratch_with_bus: ScratchHost, mode: str) -> Iterator[Site]:
    with Site(scratch_with_bus, mode, {"vif_agent": {"helper_timeout": 2}}) as running:
        yield running


@pytest.fixture
def watched(scratch_with_bus: ScratchHost, mode: str) -> Iterator[Site]:
    """As by systemd, with WatchdogSec=2."""
    argv = ("env", "WATCHDOG_USEC=2000000", AGENT)
    with Site(scratch_with_bus, mode, argv=argv) as running:
        yield running


@pytest.mark.broker
def test_helper_that_hangs_ends_the_agent_and_a_restart_carries_on(
    impatient: Site, payload: Payload
) -> None:
    vif = payload("bridge")
    with frozen(impatient.daemon.helper_pid()):
        impatient.plug(vif, wait=None)
        assert impatient.daemon.process
        assert impatient.daemon.process.wait(60) == 1
    assert "The privileged helper has not answered for 2 s" in impatient.daemon.log()
    impatient.daemon.start()
    wait_for(lambda: impatient.port(vif)["state"] == "ready", "the port")
    os.kill(impatient.daemon.helper_pid(), signal.SIGKILL)
    assert impatient.daemon.process.wait(60) == 1, "no round is needed to notice it"
    impatient.daemon.start()


@pytest.mark.broker
def test_loop_that_hangs_does_not_feed_the_watchdog_and_the_status_says_so(
    watched: Site, payload: Payload
) -> None:
    vif = payload("bridge")
    _is_fed(watched)
    with frozen(watched.daemon.helper_pid()):
        watched.plug(vif, wait=None)
        wait_for(lambda: (_hanging(watched) or 0) > 1, "a round that lasts")
        fed = watched.daemon.notified().count(FED)
        wait_for(lambda: (_hanging(watched) or 0) > 4, "more of it")
        assert watched.daemon.notified().count(FED) == fed
    wait_for(lambda: watched.port(vif)["state"] == "ready", "the port")
    wait_for(lambda: _hanging(watched) is None, "the end of the round")
    assert watched.api.get_status(CONTEXT, HOST)["last_round_at"]
    _is_fed(watched)


@pytest.mark.broker
def test_ovsdb_that_hangs_holds_up_only_what_needs_it(
    scratch_with_bus: ScratchHost, payload: Payload
) -> None:
    """It is killed in no test: it accepts connections, and says nothing."""
    with Site(scratch_with_bus, "threading", {"ovs": {"ovsdb_timeout": 200}}) as site:
        before = payload("ovs_create_tap")
        site.plug(before)
        bound = [numbered(payload("ovs_create_tap"), 100 + n) for n in range(30)]
        free = [numbered(payload("tap"), 200 + n) for n in range(5)]
        with frozen(site.host.ovs.ovsdb):
            for vif in bound:
                site.plug(vif, wait=None)
            for vif in free:
                site.plug(vif, wait=60)
            wait_for(lambda: site.port(bound[0])["state"] == "retrying", "what cannot be")
            assert site.port(bound[0])["error"]["code"] == "ovsdb_unavailable"
            site.unplug(free[0], wait=60)
        wait_for(lambda: site.states() == {"ready"}, "all the others")
        assert {vif["devname"] for vif in (before, *bound)} <= site.ovs_ports()


@pytest.mark.broker
def test_senders_who_wait_leave_the_agent_ears_for_others(
    scratch_with_bus: ScratchHost, mode: str, payload: Payload
) -> None:
    """A cast of the call: it is carried out, and nobody here needs a thread for the answer."""
    with Site(scratch_with_bus, mode) as site:
        target = oslo_messaging.Target(
            exchange=bus.EXCHANGE, topic=bus.ADMIN_TOPIC, server=HOST, version=bus.VERSION
        )
        client = oslo_messaging.get_rpc_client(site.transport, target)
        unknown = numbered(payload("tap"), 1)["id"]
        for _ in range(400):
            client.cast(CONTEXT, "wait_vif", port_id=unknown, generation=1, timeout=120)
        wait_for(lambda: site.rabbit.queue_length(f"{bus.ADMIN_TOPIC}.{HOST}") == 0, "all taken")
        assert site.api.get_status(CONTEXT, HOST)["host"] == HOST
        assert site.plug(payload("tap"))["state"] == "ready"


def _is_fed(site: Site) -> None:
    before = site.daemon.notified().count(FED)
    wait_for(lambda: site.daemon.notified().count(FED) > before + 1, "watchdog, fed")


def _hanging(site: Site) -> float | None:
    lasts: float | None = site.api.get_status(CONTEXT, HOST)["round_lasts_s"]
    return lasts


@pytest.mark.parametrize("running", [True, False])
def test_call_that_breaks_off_says_that_the_helper_is_gone(running: bool) -> None:
    """Its reader may still take it for alive when a call is being sent."""
    channel = SimpleNamespace(running=True)
    helper = Helper(SimpleNamespace(client_mode=True, channel=channel))

    def call() -> None:
        channel.running = running
        raise BrokenPipeError if running else OSError("Premature eof")

    with pytest.raises(HelperGone), helper():
        call()


def test_error_of_the_kernels_is_no_word_of_the_helper() -> None:
    helper = Helper(SimpleNamespace(client_mode=True, channel=SimpleNamespace(running=True)))
    with pytest.raises(OSError, match="busy"), helper():
        raise OSError("busy")
