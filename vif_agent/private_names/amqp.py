"""What is used of py-amqp that its documentation does not promise: how it reads and writes.

It asks the kernel three times for each frame, and a message has three; each time it lets go of the
interpreter, and another thread's work comes in between. And it sends each message by itself, and
waits for the broker's confirmation of each. ``connection`` is kombu's, ``channel`` one of its own;
other transports than AMQP (the bus in memory) are left as they are.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Self

import amqp

_AT_ONCE = 1 << 14  # bytes: what TLS has in a record, and some casts
_BASIC_PUBLISH = (60, 40)  # AMQP 0-9-1: reserved, exchange, routing key, mandatory, immediate
_HEAD, _ENDS = 7, 8  # bytes of a frame before its payload; and with the one behind it


def speaks(channel: Any) -> bool:
    """Or is it another transport's?"""
    return isinstance(channel, amqp.Channel)


# Reading.


def read_at_once(connection: Any) -> None:
    """Its ``drain_events`` handles from here on all that has come, and not one message only."""
    drain_one: Callable[..., Any] = connection.drain_events

    def drain_events(**kwargs: Any) -> Any:
        _buffer(connection)
        drained = drain_one(**kwargs)
        if transport := _transport(connection):
            handle = connection.connection.on_inbound_frame  # raises where it closes the connection
            while _has_frame(transport):
                handle(transport.read_frame())
        return drained

    connection.drain_events = drain_events


def more_has_come(connection: Any) -> bool:
    """Than was read at once, as far as can be seen."""
    receive = getattr(_transport(connection), "_quick_recv", None)
    return isinstance(receive, _Receive) and receive.full


def _transport(connection: Any) -> Any:
    return connection.connected and getattr(connection.connection, "transport", None)


def _buffer(connection: Any) -> None:
    """Each connection to the broker has a new one; what is too much for now it keeps."""
    transport = _transport(connection)
    receive = getattr(transport, "_quick_recv", None)
    if receive and not isinstance(receive, _Receive):
        transport._quick_recv = _Receive(receive)


class _Receive:
    def __init__(self, receive: Callable[[int], bytes]) -> None:
        self._receive = receive
        self.full = False

    def __call__(self, count: int) -> bytes:
        received = self._receive(max(count, _AT_ONCE))
        self.full = len(received) >= _AT_ONCE
        return received


def _has_frame(transport: Any) -> bool:
    """A whole one, so that nothing is waited for."""
    buffer = getattr(transport, "_read_buffer", b"")
    return len(buffer) >= _ENDS + int.from_bytes(buffer[3:_HEAD], "big")


# Publishing.


class NotConfirmed(Exception):
    """The broker has not taken some of what was published."""


class Confirmations:
    """Of a channel on which the broker confirms: how far it has."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        self._last = 0
        self._refused = False
        channel.events["basic_ack"].add(self._confirmed)
        channel.events["basic_nack"].add(self._nacked)

    @classmethod
    def of(cls, channel: Any) -> Self:
        """Those that were made for it before; else new ones, which know of nothing yet."""
        hearers = (getattr(each, "__self__", None) for each in channel.events["basic_ack"])
        known = next((each for each in hearers if isinstance(each, cls)), None)
        return known or cls(channel)

    @property
    def begun(self) -> bool:
        """Has anything been confirmed?"""
        return self._last > 0

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """What is published within goes out at the end, as one piece; and the end waits until the
        broker has confirmed all of it. What was published before is confirmed."""
        last = self._last
        with _all_at_once(self._channel.connection.transport), self._counted() as published:
            yield
        while self._last < last + published():
            self._channel.connection.drain_events()
        if self._refused:
            raise NotConfirmed("the broker has refused a message")

    @contextlib.contextmanager
    def _counted(self) -> Iterator[Callable[[], int]]:
        """And none waits for its own confirmation."""
        count = 0
        waits = self._channel.basic_publish

        def publish(
            message: Any, exchange: str, routing_key: str, mandatory: bool, **_: object
        ) -> None:
            nonlocal count
            count += 1
            args = (0, exchange, routing_key, mandatory, False)
            self._channel.send_method(_BASIC_PUBLISH, "Bssbb", args, message)

        self._channel.basic_publish = publish
        try:
            yield lambda: count
        finally:
            self._channel.basic_publish = waits

    def _confirmed(self, tag: int, _multiple: bool) -> None:
        self._last = max(self._last, tag)

    def _nacked(self, tag: int, multiple: bool) -> None:
        self._refused = True
        self._confirmed(tag, multiple)


@contextlib.contextmanager
def _all_at_once(transport: Any) -> Iterator[None]:
    """What is written within; nothing of it, if that fails."""
    write, pieces = transport._write, list[bytes]()
    transport._write = lambda piece: pieces.append(bytes(piece))
    try:
        yield
    finally:
        transport._write = write
    transport.write(b"".join(pieces))
