"""Messages of ovsdb-server are read whole, in whatever pieces they come."""

from __future__ import annotations

import errno
import json
import random
from collections.abc import Iterable
from typing import Any

import pytest
from ovs.jsonrpc import EOF

from vif_agent.host.ovs.session import Connection

TEXT = 'ä“😀\\"{}[],:é\n'


class Pieces:
    """A stream that gives one after the other, and has no more at the end of each (None) for now;
    ``b""`` is its end."""

    name = "pieces"

    def __init__(self, pieces: Iterable[bytes | None]) -> None:
        self._pieces = iter(pieces)
        self.closed = False

    def recv(self, _: int) -> tuple[int, Any]:
        piece = next(self._pieces, None)
        return (errno.EAGAIN, "") if piece is None else (0, piece)

    def close(self) -> None:
        self.closed = True


def messages(count: int) -> list[dict[str, Any]]:
    return [{"method": "update", "params": [n, TEXT * n], "id": None} for n in range(count)]


def read(connection: Connection, tries: int) -> list[Any]:
    seen = []
    for _ in range(tries):
        _, message = connection.recv()
        if message is not None:
            seen.append(message.params)
    return seen


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("escaped", [True, False])
def test_messages_in_pieces_of_any_size(seed: int, escaped: bool) -> None:
    """Also cut within a character, and with nothing to be had between the two halves."""
    sizes, sent = random.Random(seed), messages(30)
    text = sizes.choice(["", "\n", " "]).join(json.dumps(m, ensure_ascii=escaped) for m in sent)
    stream, pieces = text.encode(), []
    while stream:
        size = sizes.choice([1, 2, 7, 100, 5000])
        pieces += [stream[:size], *([None] if sizes.random() < 0.3 else [])]
        stream = stream[size:]
    connection = Connection(Pieces(pieces))
    assert read(connection, len(pieces) + len(sent)) == [m["params"] for m in sent]
    assert (connection.status, connection.recv()) == (0, (errno.EAGAIN, None))


def test_long_message_is_not_tried_at_each_piece() -> None:
    """Its end is looked for when the double has come, or when it may be there."""
    (long,) = [{"method": "update", "params": ["}" * 10, ["x" * 100] * 20000], "id": None}]
    text = json.dumps(long).encode()
    pieces = [text[n : n + 4096] for n in range(0, len(text), 4096)]
    assert not any(piece.endswith(b"}") for piece in pieces[:-1])
    assert read(Connection(Pieces(pieces)), 1) == [long["params"]]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html; charset=utf-8\r\n", errno.EPROTO),
        (b'{"method": "update", "params": [1, 2' + b"oops" * 20 + b"]}", errno.EPROTO),
        (b"[1]" + b" " * 64, errno.EPROTO),
        (b'{"unknown": 1}', errno.EPROTO),
        (b'{"method": "\xff\xff"}', errno.EILSEQ),
        (b"", EOF),
    ],
)
def test_what_is_no_message_ends_the_connection(answer: bytes, error: int) -> None:
    stream = Pieces([answer])
    connection = Connection(stream)
    assert connection.recv() == (error, None)
    assert stream.closed
