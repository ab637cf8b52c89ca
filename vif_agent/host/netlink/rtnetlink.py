"""rtnetlink in few words: many messages in one send, an answer for each.

Messages are packed and unpacked here: pyroute2, whose numbers these are, takes 0.15 ms to encode
a link message and 0.65 ms to decode one, this 0.01 and 0.02 ms; a burst is hundreds of them.
"""

import dataclasses
import os
import socket
import struct
from collections.abc import Sequence
from typing import TypeAlias

from pyroute2.netlink import (
    NLM_F_ACK,
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_EXCL,
    NLM_F_REQUEST,
    NLMSG_DONE,
    NLMSG_ERROR,
)
from pyroute2.netlink.rtnl import RTM_DELLINK, RTM_GETLINK, RTM_NEWLINK

# whoever speaks rtnetlink packs and unpacks
from vif_agent.host.netlink.attributes import attributes as attributes
from vif_agent.host.netlink.attributes import each_attribute as each_attribute
from vif_agent.host.netlink.attributes import number as number
from vif_agent.host.netlink.attributes import raw as raw
from vif_agent.host.netlink.attributes import text as text
from vif_agent.host.netlink.sockets import (
    CAP_ACK,
    EXT_ACK,
    INTERRUPTED,
    AskingSocket,
    errno_of,
    reason_of,
    refusal,
)

NEW = (RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL)
SET = (RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK)
DELETE = (RTM_DELLINK, NLM_F_REQUEST | NLM_F_ACK)
GET = (RTM_GETLINK, NLM_F_REQUEST)
DUMP = (RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP)

_STRICT = 12  # a dump takes filters: all of a host's routes or bridge entries would be too many
_AT_ONCE = 2000
_AT_ONCE_IN_LITTLE_ROOM = 24  # answers of 2 KB, in 208 KiB: the default of net.core.rmem_max


@dataclasses.dataclass(frozen=True, slots=True)
class LinkRequest:
    """``RTM_*LINK``: ``kind`` is one of the constants above, ``attributes`` are packed."""

    kind: tuple[int, int]
    attributes: bytes = b""
    index: int = 0
    flags: int = 0
    change: int = 0

    def encode(self, sequence: int, quiet: bool = False) -> bytes:
        """``quiet``: without an acknowledgement; a refusal comes all the same."""
        kind, flags = self.kind
        length = 32 + len(self.attributes)
        flags = flags & ~NLM_F_ACK if quiet else flags
        header = struct.pack("=IHHII", length, kind, flags, sequence, 0)
        return header + self.interface() + self.attributes

    def interface(self) -> bytes:
        """struct ifinfomsg."""
        return struct.pack("=BxHiII", 0, 0, self.index, self.flags, self.change)


@dataclasses.dataclass(frozen=True, slots=True)
class Message:
    """Any request of rtnetlink: ``body`` is packed, with the family's own header."""

    kind: tuple[int, int]
    body: bytes

    def encode(self, sequence: int, quiet: bool = False) -> bytes:
        """``quiet``: the kernel answers only if it fails."""
        kind, flags = self.kind
        flags = flags & ~NLM_F_ACK if quiet else flags
        return struct.pack("=IHHII", 16 + len(self.body), kind, flags, sequence, 0) + self.body


NetlinkRequest: TypeAlias = LinkRequest | Message


class Answer:
    """What the kernel answered to one request: an errno (0: done), its text, the things it
    showed."""

    def __init__(self) -> None:
        self.errno = 0
        self.text = ""
        self.links: list[bytes] = []


class Socket(AskingSocket):
    """One rtnetlink socket. Not for use by two threads at once."""

    def __init__(self) -> None:
        super().__init__(socket.NETLINK_ROUTE, (CAP_ACK, EXT_ACK, _STRICT))
        self._at_once = _AT_ONCE if self.is_large else _AT_ONCE_IN_LITTLE_ROOM

    def ask(self, requests: Sequence[NetlinkRequest]) -> list[Answer]:
        """Send all in one message (thousands: in a few); a failed request stops no other one."""
        answers: list[Answer] = []
        for start in range(0, len(requests), self._at_once):
            answers += self._ask(requests[start : start + self._at_once])
        return answers

    def dump(self, attributes: bytes = b"") -> list[bytes]:
        """Every link that fits the attributes."""
        return self.dump_of(LinkRequest(DUMP, attributes))

    def dump_of(self, request: NetlinkRequest) -> list[bytes]:
        """Everything that fits the request; asked anew if the kernel was interrupted."""
        while True:
            answer, interrupted = self._dump(request)
            if not interrupted:
                return answer.links

    def _ask(self, requests: Sequence[NetlinkRequest]) -> list[Answer]:
        """The kernel goes through them one by one, and answers in their order. So only the last
        is to be acknowledged: what had no answer until then has succeeded. An acknowledgement
        of each cost a fifth of a burst's CPU."""
        first, last = self._sequence + 1, self._sequence + len(requests)
        self._sequence = last
        encoded = [r.encode(first + i, quiet=first + i < last) for i, r in enumerate(requests)]
        self.raw.send(b"".join(encoded))
        answers = [Answer() for _ in requests]
        while True:
            for kind, flags, sequence, _, body in self.receive():
                if first <= sequence <= last:
                    _take(answers[sequence - first], kind, flags, body)
                if sequence == last:
                    return answers

    def _dump(self, request: NetlinkRequest) -> tuple[Answer, bool]:
        self._sequence += 1
        self.raw.send(request.encode(self._sequence))
        answer, interrupted = Answer(), False
        while True:
            for kind, flags, sequence, _, body in self.receive():
                if sequence != self._sequence:
                    continue
                interrupted = interrupted or bool(flags & INTERRUPTED)
                if kind != NLMSG_DONE:
                    _take(answer, kind, flags, body)
                elif len(body) >= 4:  # a dump that breaks off says so here
                    answer.errno = errno_of(body)
                if answer.errno:
                    raise OSError(answer.errno, os.strerror(answer.errno))
                if kind == NLMSG_DONE:
                    return answer, interrupted


def _take(answer: Answer, kind: int, flags: int, body: bytes) -> None:
    if kind != NLMSG_ERROR:
        answer.links.append(body)
    elif code := errno_of(body):
        answer.errno, answer.text = code, refusal(code, reason_of(flags, body))
