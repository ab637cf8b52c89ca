"""Very many callers of one call, without a thread for each: the messages as oslo.messaging makes
them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import kombu

from vif_agent import bus
from vif_agent.testing.daemon import HOST


class Crowd:
    """Calls with a queue for all answers: ``answers`` by the number of the call."""

    def __init__(self, connection: Any) -> None:
        self._queue = connection.SimpleQueue(f"reply_{uuid.uuid4().hex}", no_ack=True)
        self._calls = connection.Producer(routing_key=f"{bus.ADMIN_TOPIC}.{HOST}")
        self._numbers: dict[str, int] = {}
        self.answers: dict[int, Any] = {}

    def ask(self, method: str, gone: bool = False, **args: Any) -> int:
        """``gone``: the caller is not there any more when it is answered."""
        number, call = len(self._numbers), uuid.uuid4().hex
        self._numbers[call] = number
        message = {
            "method": method,
            "args": args,
            "version": bus.VERSION,
            "_msg_id": call,
            "_reply_q": "reply_nobody" if gone else self._queue.queue.name,
            "_unique_id": uuid.uuid4().hex,
            "_timeout": None,
        }
        body = {"oslo.version": "2.0", "oslo.message": json.dumps(message)}
        self._calls.publish(body, serializer="json", retry=True)
        return number

    def listen(self, count: int, seconds: float = 60) -> None:
        """Until there are so many answers in all."""
        while len(self.answers) < count:
            text = self._queue.get(timeout=seconds)
            answer = json.loads(text.payload["oslo.message"])
            assert answer["failure"] is None, answer["failure"]
            self.answers[self._numbers[answer["_msg_id"]]] = answer["result"]


@contextmanager
def crowd(url: str) -> Iterator[Crowd]:
    with kombu.Connection(url.replace("rabbit://", "amqp://")) as connection:  # type: ignore[no-untyped-call]
        yield Crowd(connection)
