"""Notifications to the broker, until it has them; or an error.

oslo.messaging's own Notifier logs what it could not send, and forgets it; and it declares the queue
once for a connection, so that what is sent after somebody has deleted the queue goes nowhere.
"""

import uuid
from collections.abc import Callable, Sequence
from typing import Any

import oslo_messaging
from oslo_utils import timeutils

from vif_agent.bus import declared
from vif_agent.private_names import oslo_messaging as private

_PRIORITIES = ("info", "error")
_OURS = "messagingv2"

Message = dict[str, Any]


def message(publisher: str, event_type: str, payload: Any) -> Message:
    """As Notifier makes it. Sent twice, it is the same: subscribers may know it by its ids."""
    priority = "ERROR" if event_type.endswith(".error") else "INFO"
    unique = uuid.uuid4()
    return {
        "message_id": str(unique),
        "_unique_id": unique.hex,
        "publisher_id": publisher,
        "event_type": event_type,
        "priority": priority,
        "payload": payload,
        "timestamp": str(timeutils.utcnow()),
    }


class Outlet:
    """All that the configuration names as drivers; those of others than the bus have one try."""

    def __init__(self, messaging: Any, publisher: str) -> None:
        options = messaging.conf.oslo_messaging_notifications
        self._messaging = messaging
        ours = private.speaks_amqp(messaging)
        drivers = set(options.driver)
        self._topics = options.topics if ours and _OURS in drivers else []
        others = drivers - ({_OURS} if ours else set())
        self._others = [_notifier(messaging, publisher, name) for name in sorted(others)]

    @property
    def queues(self) -> list[declared.Declares]:
        """One for each topic and priority."""
        if not self._topics:
            return []
        exchange = private.default_exchange(self._messaging)
        names = [f"{topic}.{priority}" for topic in self._topics for priority in _PRIORITIES]
        return [declared.topic_queue(exchange, name) for name in names]

    def differing(self) -> list[str]:
        """Its queues are declared, or are there otherwise: see ``declared.differing``."""
        queues = self.queues
        return declared.differing(self._messaging, queues) if queues else []

    def _declare(self) -> None:
        declared.must_be_as_asked(self.differing())

    def tell_others(self, message: Message) -> None:
        """Drivers such as log or test; what they raise is logged by oslo.messaging."""
        for notifier in self._others:
            send: Callable[..., None] = getattr(notifier, message["priority"].lower())
            send({}, message["event_type"], message["payload"])

    def send(self, messages: Sequence[Message]) -> None:
        """In this order. Raises whatever is in the way; they may have been sent even so."""
        named = [
            (f"{topic}.{message['priority'].lower()}", message)
            for message in messages
            for topic in self._topics
        ]
        if not named:
            return
        exchange = private.default_exchange(self._messaging)
        with private.to_send(self._messaging) as connection:
            try:
                private.publish(connection, exchange, named)
            except oslo_messaging.MessageUndeliverable:
                private.change_channel(private.behind(connection))
                self._declare()
                private.publish(connection, exchange, named)


def _notifier(messaging: Any, publisher: str, driver: str) -> Any:
    return oslo_messaging.Notifier(messaging, publisher_id=publisher, driver=driver)
