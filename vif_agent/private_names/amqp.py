"""What is used of py-amqp that its documentation does not promise: how it reads.

It asks the kernel three times for each frame, and a message has three; each time it lets go of the
interpreter, and another thread's work comes in between. ``connection`` is kombu's; other transports
than AMQP (the bus in memory) are left as they are.
"""

from collections.abc import Callable
from typing import Any

import amqp

_AT_ONCE = 1 << 14  # bytes: what TLS has in a record, and some casts
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
        while _has_frame(transport := _transport(connection)):
            connection.connection.on_inbound_frame(transport.read_frame())
        return drained

    connection.drain_events = drain_events


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

    def __call__(self, count: int) -> bytes:
        return self._receive(max(count, _AT_ONCE))


def _has_frame(transport: Any) -> bool:
    """A whole one, so that nothing is waited for."""
    buffer = getattr(transport, "_read_buffer", b"")
    return len(buffer) >= _ENDS + int.from_bytes(buffer[3:_HEAD], "big")
