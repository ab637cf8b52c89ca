"""One socket to nf_tables: a batch, done as a whole or not at all; dumps."""

import errno
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from vif_agent.host.netlink.attributes import attributes
from vif_agent.host.nft.messages import ACK, Message, batch, get_generation
from vif_agent.host.nft.shown import generation_shown

NETLINK_NETFILTER = 12
_SOL_NETLINK, _CAP_ACK, _EXT_ACK = 270, 10, 11
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33
_BUFFER = 64 << 20  # a batch goes in one send: 10,000 ports are 6 MB
_ERROR, _DONE = 2, 3
_INTERRUPTED, _HAS_TEXT = 0x10, 0x200
_HEADER = struct.Struct("=IHHII")
_MOST_ERRORS = 1 << 20


class Received(NamedTuple):
    """``body`` without its header; ``port``: of the socket that has caused it."""

    kind: int
    flags: int
    sequence: int
    port: int
    body: bytes


class Refused(NamedTuple):
    """``errno`` 0: done."""

    errno: int
    text: str


DONE = Refused(0, "")
#: the generation has passed: somebody has changed something meanwhile
PASSED = errno.ERESTART


class NftSocket:
    """Not for use by two threads at once."""

    def __init__(self) -> None:
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER
        )
        for option in (_CAP_ACK, _EXT_ACK):
            self._socket.setsockopt(_SOL_NETLINK, option, 1)
        try:
            for option in (_SO_SNDBUFFORCE, _SO_RCVBUFFORCE):
                self._socket.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
        except PermissionError:
            pass  # then only small batches pass
        self._socket.bind((0, 0))
        self._sequence = 0

    @property
    def port(self) -> int:
        """By which the kernel knows whose a held table is."""
        return int(self._socket.getsockname()[0])

    def close(self) -> None:
        """What it has held it holds no longer."""
        self._socket.close()

    def __enter__(self) -> "NftSocket":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def do(self, messages: Sequence[Message], generation: int = 0) -> Refused:
        """All of them, or none. ERESTART: it is not that generation any longer (0: any)."""
        return self._send(messages, generation, commit=True)

    def try_out(self, messages: Sequence[Message]) -> Refused:
        """Could it be done? Nothing is, and nobody hears of it: this is what `nft --check` does."""
        return self._send(messages, 0, commit=False)

    def _send(self, messages: Sequence[Message], generation: int, commit: bool) -> Refused:
        """The kernel has done it, and said so, when ``send`` returns."""
        acknowledged = [*messages[:-1], messages[-1].with_flag(ACK)]
        try:
            self._socket.send(batch(acknowledged, generation, commit))
        except OSError as error:
            return _refused(error.errno or errno.EIO, "", "")
        refused, acknowledgements = DONE, 0
        for answer in self._at_once():
            if answer.kind == _ERROR:
                acknowledgements += 1
                number, at = -_number(answer.body), answer.sequence - 1
                if number and refused is DONE:
                    what = messages[at].what if 0 <= at < len(messages) else ""
                    refused = _refused(number, _text(answer), what)
        return refused if acknowledgements else _refused(errno.EOPNOTSUPP, "no nf_tables", "")

    def _at_once(self) -> Iterator[Received]:
        while True:
            try:
                data = self._socket.recv(_MOST_ERRORS, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            yield from unpacked(data)

    def generation(self) -> int:
        """How many batches have been done in this namespace, anybody's."""
        (body,) = self.dump(get_generation())
        return generation_shown(body)[0]

    def dump(self, request: Message) -> list[bytes]:
        """OSError: ENOENT for a set that is not there, EINTR where it changed meanwhile."""
        self._sequence += 1
        self._socket.send(request.with_flag(ACK).encode(self._sequence))
        bodies: list[bytes] = []
        interrupted = False
        while True:
            for answer in unpacked(self._socket.recv(1 << 20)):
                if answer.sequence != self._sequence:
                    continue
                interrupted = interrupted or bool(answer.flags & _INTERRUPTED)
                if answer.kind not in (_ERROR, _DONE):
                    bodies.append(answer.body)
                    continue
                if number := -_number(answer.body) or errno.EINTR * interrupted:
                    raise OSError(number, os.strerror(number))
                return bodies


def unpacked(data: bytes) -> Iterator[Received]:
    """All that came at once."""
    offset = 0
    while offset < len(data):
        length, kind, flags, sequence, port = _HEADER.unpack_from(data, offset)
        yield Received(kind, flags, sequence, port, data[offset + 16 : offset + length])
        offset += (length + 3) & ~3


def _number(body: bytes) -> int:
    return int(struct.unpack_from("=i", body)[0])


def _text(answer: Received) -> str:
    if not answer.flags & _HAS_TEXT:
        return ""
    return attributes(answer.body, 20).get(1, b"").rstrip(b"\0").decode(errors="replace")


def _refused(number: int, reason: str, what: str) -> Refused:
    said = os.strerror(number) + (f" ({reason})" if reason else "")
    return Refused(number, f"{what}: {said}" if what else said)
