"""Two agents with one ``host``, as after an image was cloned: the second takes nothing."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import amqp
import pytest

from tests.support.casting import CONTEXT, MODES, QUEUE, Vif, wait_for
from tests.support.examples import INSTANCE
from vif_agent import bus
from vif_agent.bus.api import NoAnswer, VifAgentAPI
from vif_agent.bus.cast_queue import Reader
from vif_agent.testing import processes
from vif_agent.testing.daemon import HOST, Daemon, transport
from vif_agent.testing.host import ScratchHost
from vif_agent.testing.rabbit import PrivateRabbit

pytestmark = pytest.mark.broker


@pytest.fixture
def rabbit(scratch_with_bus: ScratchHost) -> PrivateRabbit:
    assert scratch_with_bus.rabbit
    return scratch_with_bus.rabbit


@pytest.fixture
def messaging(rabbit: PrivateRabbit) -> Iterator[Any]:
    made = transport(rabbit.url)
    yield made
    made.cleanup()


@contextlib.contextmanager
def another(rabbit: PrivateRabbit) -> Iterator[None]:
    """Consumes the casts of this host and acknowledges none."""
    connection = amqp.Connection(f"127.0.0.1:{rabbit.port}", heartbeat=0)
    connection.connect()
    channel = connection.channel()
    channel.queue_declare(QUEUE, auto_delete=False)
    channel.basic_consume(QUEUE, callback=lambda _: None)
    try:
        yield
    finally:
        connection.close()


@pytest.mark.parametrize("concurrency", MODES)
def test_second_agent_takes_nothing_until_it_is_alone(
    scratch_with_bus: ScratchHost,
    rabbit: PrivateRabbit,
    messaging: Any,
    payload: Callable[[str], Vif],
    concurrency: str,
) -> None:
    """As after a restart for which the broker still counts the old connection."""
    vif, api = payload("tap"), VifAgentAPI(transport=messaging)
    options = {"vif_agent": {"concurrency": concurrency}}
    daemon = Daemon(scratch_with_bus, rabbit.url, options)
    daemon.log_file.unlink(missing_ok=True)
    with another(rabbit):
        daemon.launch()
        wait_for(lambda: f"1 others take the casts of this host (queue {QUEUE})" in daemon.log(),
                 "the word of it")  # fmt: skip
        with pytest.raises(NoAnswer):
            api.plug_vif(CONTEXT, HOST, INSTANCE, vif, wait=3)
        assert daemon.alive()
        assert vif["devname"] not in scratch_with_bus.links()
    try:
        wait_for(lambda: " plugged " in daemon.log(), "the cast, by the one who is left")
        assert api.unplug_vif(CONTEXT, HOST, INSTANCE, vif, wait=60)
        assert " CRITICAL " not in daemon.log()
    finally:
        daemon.stop()


def test_who_comes_in_later_is_told_of(
    rabbit: PrivateRabbit, messaging: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """An agent that does not look, or one that was faster when the broker came back."""
    reader = Reader(messaging, bus.EXCHANGE, QUEUE)
    reader.look_seconds = 0.2
    caplog.set_level(logging.ERROR, "vif_agent.bus.alone")
    ended = threading.Event()

    def poll() -> None:
        while not ended.is_set():
            reader.poll(timeout=0.2)

    reading = threading.Thread(target=poll)
    reading.start()
    try:
        with another(rabbit):
            wait_for(lambda: "1 others take the casts" in caplog.text, "the word of it")
        wait_for(lambda: is_silent(caplog), "silence, for it is alone again")
    finally:
        ended.set()
        reading.join()
        reader.cleanup()


def test_queue_that_forgot_its_reader_is_joined_anew(
    rabbit: PrivateRabbit, messaging: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """It has casts, counts some as delivered to us for ever, and sends none."""
    reader = Reader(messaging, bus.EXCHANGE, QUEUE)
    reader.look_seconds = 0.2
    caplog.set_level(logging.WARNING, "vif_agent.bus.cast_queue")
    try:
        reader.poll(timeout=0.5)
        (tag,) = reader.conn._consumers.values()
        reader.conn.channel.send_method((60, 30), "sb", (str(tag), False))  # Basic.Cancel
        reader.poll(timeout=0.5)
        VifAgentAPI(transport=messaging).plug_vif(CONTEXT, HOST, INSTANCE, {"id": "x"})
        processes.wait_until(lambda: bool(reader.poll(timeout=0.3)), "the cast")
    finally:
        reader.cleanup()
    assert "1 casts wait in queue vif_agent.scratch, and none comes" in caplog.text


def is_silent(caplog: pytest.LogCaptureFixture) -> bool:
    caplog.clear()
    return not ended_in(caplog, 1.0)


def ended_in(caplog: pytest.LogCaptureFixture, seconds: float) -> bool:
    """Was it told of within this time?"""
    with contextlib.suppress(TimeoutError):
        return bool(wait_for(lambda: caplog.records, "a record", seconds))
    return False
