"""One socket to nf_tables: a batch, done as a whole or not at all; dumps."""

import errno
import os
import socket
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pyroute2.netlink import NLMSG_DONE, NLMSG_ERROR

from vif_agent.host.netlink.sockets import (
    CAP_ACK,
    EXT_ACK,
    INTERRUPTED,
    AskingSocket,
    errno_of,
    reason_of,
    refusal,
)
from vif_agent.host.nft.messages import ACK, Message, batch, get_generation
from vif_agent.host.nft.shown import generation_shown

NETLINK_NETFILTER = 12


class Refused(NamedTuple):
    """``errno`` 0: done."""

    errno: int
    text: str


DONE = Refused(0, "")
#: the generation has passed: somebody has changed something meanwhile
PASSED = errno.ERESTART


class NftSocket(AskingSocket):
    """Not for use by two threads at once. Without CAP_NET_ADMIN only small batches pass."""

    def __init__(self) -> None:
        super().__init__(NETLINK_NETFILTER, (CAP_ACK, EXT_ACK))

    @property
    def port(self) -> int:
        """By which the kernel knows whose a held table is."""
        return int(self.raw.getsockname()[0])

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
            self.raw.send(batch(acknowledged, generation, commit))
        except OSError as error:
            return _refused(error.errno or errno.EIO, "", "")
        refused, acknowledgements = DONE, 0
        for kind, flags, sequence, _, body in self._at_once():
            if kind == NLMSG_ERROR:
                acknowledgements += 1
                number, at = errno_of(body), sequence - 1
                if number and refused is DONE:
                    what = messages[at].what if 0 <= at < len(messages) else ""
                    refused = _refused(number, reason_of(flags, body), what)
        return refused if acknowledgements else _refused(errno.EOPNOTSUPP, "no nf_tables", "")

    def _at_once(self) -> Iterator[tuple[int, int, int, int, bytes]]:
        while True:
            try:
                yield from self.receive(socket.MSG_DONTWAIT)
            except BlockingIOError:
                return

    def generation(self) -> int:
        """How many batches have been done in this namespace, anybody's."""
        (body,) = self.dump(get_generation())
        return generation_shown(body)[0]

    def dump(self, request: Message) -> list[bytes]:
        """OSError: ENOENT for a set that is not there, EINTR where it changed meanwhile."""
        self._sequence += 1
        self.raw.send(request.with_flag(ACK).encode(self._sequence))
        bodies: list[bytes] = []
        interrupted = False
        while True:
            for kind, flags, sequence, _, body in self.receive():
                if sequence != self._sequence:
                    continue
                interrupted = interrupted or bool(flags & INTERRUPTED)
                if kind not in (NLMSG_ERROR, NLMSG_DONE):
                    bodies.append(body)
                    continue
                if number := errno_of(body) or errno.EINTR * interrupted:
                    raise OSError(number, os.strerror(number))
                return bodies


def _refused(number: int, reason: str, what: str) -> Refused:
    said = refusal(number, reason)
    return Refused(number, f"{what}: {said}" if what else said)
