"""Several notifications at once to a real broker: each comes, in order, or an error is raised."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import kombu
import oslo_messaging
import pytest
from oslo_config import cfg

from tests.support.casting import wait_for
from vif_agent.bus.outlet import Message, Outlet, message
from vif_agent.testing.daemon import transport
from vif_agent.testing.rabbit import PrivateRabbit

pytestmark = pytest.mark.broker

INFO, ERROR = "notifications.info", "notifications.error"
MANY = 30


@pytest.fixture
def outlet(rabbit: PrivateRabbit) -> Iterator[Outlet]:
    transport(rabbit.url).cleanup()  # reads the configuration
    messaging = oslo_messaging.get_notification_transport(cfg.CONF, url=rabbit.url)
    cfg.CONF.set_override("driver", ["messagingv2"], "oslo_messaging_notifications")
    outlet = Outlet(messaging, "test")
    assert outlet.differing() == []
    yield outlet
    cfg.CONF.clear_override("driver", "oslo_messaging_notifications")
    messaging.cleanup()


def messages(event: str, count: int = MANY) -> list[Message]:
    return [message("test", event, {"n": number}) for number in range(count)]


def taken(rabbit: PrivateRabbit, queue: str) -> list[str]:
    """The ids of the messages in the queue; it is empty then."""
    untyped: Any = kombu
    ids = []
    with untyped.Connection(rabbit.url.replace("rabbit://", "amqp://")) as connection:
        while came := connection.default_channel.basic_get(queue, no_ack=True):
            ids.append(json.loads(json.loads(came.body)["oslo.message"])["message_id"])
    return ids


def ids(sent: Sequence[Message]) -> list[str]:
    return [each["message_id"] for each in sent]


def test_all_come_in_order(rabbit: PrivateRabbit, outlet: Outlet) -> None:
    plugs, errors = messages("vif.plug.end"), messages("vif.plug.error")
    for count in (1, 9, MANY):
        outlet.send([*plugs[:count], *errors[:count]])
        assert taken(rabbit, INFO) == ids(plugs[:count])
        assert taken(rabbit, ERROR) == ids(errors[:count])


def test_queue_that_was_deleted_is_declared_again(rabbit: PrivateRabbit, outlet: Outlet) -> None:
    """Those of the other queue may come twice."""
    sent, errors = messages("vif.plug.end"), messages("vif.plug.error")
    for first in (sent[:1], sent[:5]):
        outlet.send(first)
        rabbit.ctl("delete_queue", INFO)
        outlet.send([*errors, *sent])
        outlet.send(sent[:2])
        assert taken(rabbit, INFO) == ids([*sent, *sent[:2]])
        assert taken(rabbit, ERROR)[-MANY:] == ids(errors)


def test_broker_that_has_restarted(rabbit: PrivateRabbit, outlet: Outlet) -> None:
    """Over a new connection."""
    sent = messages("vif.plug.end")
    outlet.send(sent[:3])
    rabbit.kill()
    with pytest.raises(oslo_messaging.MessageDeliveryFailure):
        outlet.send(sent)
    rabbit.start()

    def again() -> bool:
        try:
            outlet.send(sent)
        except oslo_messaging.MessageDeliveryFailure:
            return False
        return True

    wait_for(again, "the broker")
    assert taken(rabbit, INFO)[-MANY:] == ids(sent)
