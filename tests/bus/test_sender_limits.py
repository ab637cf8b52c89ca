"""A broker that takes nothing: the sender's limit holds in all, in both concurrency modes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest

from tests.support.casting import MODES, wait_for
from tests.support.casts_queue import declare_casts_queue
from tests.support.slow_sender import HOST, SlowSender
from vif_agent.testing.rabbit import PrivateRabbit

pytestmark = pytest.mark.broker

PORT = {"id": "7181b049-88fe-58c4-ad88-63316f977d48", "type": "ovs"}
CAST = {"instance": {}, "vif": PORT}
LIMIT = 2.0
#: on a busy machine; without a limit it took 70 seconds and more
LATEST = 30


@pytest.fixture(params=MODES)
def sender(request: pytest.FixtureRequest, rabbit: PrivateRabbit) -> Iterator[SlowSender]:
    declare_casts_queue(rabbit, HOST)
    with SlowSender(request.param, rabbit.url, LIMIT) as running:
        assert "done" in running.send("plug_vif", **CAST)[1]
        yield running


def takes_nothing(rabbit: PrivateRabbit, fault: str) -> AbstractContextManager[None]:
    return rabbit.alarm() if fault == "alarm" else rabbit.frozen()


@pytest.mark.parametrize("fault", ["alarm", "frozen"])
def test_limit_holds_where_the_broker_takes_nothing(
    rabbit: PrivateRabbit, sender: SlowSender, fault: str
) -> None:
    """The first send finds a connection that was good, the later ones none."""
    with takes_nothing(rabbit, fault):
        sends = [
            sender.send("plug_vif", **CAST, wait=1),
            sender.send("plug_vif", **CAST),
            sender.send("unplug_vif", **CAST),
            sender.send("sync_vifs", vifs=[PORT]),
        ]
        asked = sender.send("get_status")
    for seconds, outcome in sends:
        assert outcome.startswith("NoAnswer: vif-agent on here: the broker takes nothing")
        assert seconds < LATEST
    assert asked[1] == "MessagingTimeout: vif-agent on here has not answered get_status in 2 s"
    assert asked[0] < LATEST
    wait_for(lambda: "done" in sender.send("plug_vif", **CAST)[1], "a broker that takes casts")


def test_more_sends_than_have_a_slot_keep_their_limit(
    rabbit: PrivateRabbit, sender: SlowSender
) -> None:
    """Those left behind keep theirs, until the broker takes what they send."""
    with rabbit.alarm():
        for _ in range(32):
            outcome = sender.send("unplug_vif", **CAST, wait=0.1)[1]
            assert outcome.startswith("NoAnswer: vif-agent on here: the broker takes nothing")
    wait_for(lambda: "done" in sender.send("plug_vif", **CAST)[1], "a broker that takes casts")
