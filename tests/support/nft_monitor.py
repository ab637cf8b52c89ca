"""What the kernel tells of nf_tables in this namespace, as `nft monitor` hears it, read without our
own parser: a witness should not share one with what it watches."""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
from collections.abc import Iterator

NETLINK_NETFILTER = 12
GROUP = 1 << 7 - 1  # NFNLGRP_NFTABLES
SO_RCVBUFFORCE = 33
ROOM = 32 << 20  # a batch of one port are a handful of messages; a storm is read at its end
LONGEST = 1 << 16
#: linux/netfilter/nf_tables.h, NFT_MSG_…; of each the first attribute is the table
KINDS = {
    0: "new table", 2: "delete table", 3: "new chain", 5: "delete chain", 6: "new rule",
    8: "delete rule", 9: "new set", 11: "delete set", 12: "new element", 14: "delete element",
    18: "new object", 20: "delete object", 22: "new flowtable", 24: "delete flowtable",
}  # fmt: skip
NEW_GENERATION = 15
FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}
HEADER = struct.Struct("=IHHII")
GENERIC = 4  # struct nfgenmsg, of which the first byte is the family
ATTRIBUTE = struct.Struct("=HH")
LOST = "LOST (the kernel dropped events: more came than its buffer holds)"


class NftEvents:
    """Collects from the moment it is made, in the namespace of the thread that makes it."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, ROOM)
        self._socket.bind((0, GROUP))
        self._batch: list[str] = []

    def read(self) -> list[str]:
        """What has come since the last read, without waiting: as "new rule bridge vif_agent, by
        nft"."""
        found: list[str] = []
        with contextlib.suppress(BlockingIOError):
            while True:
                found += self._receive()
        return found

    def close(self) -> None:
        """What has not been read is lost."""
        self._socket.close()

    def _receive(self) -> Iterator[str]:
        try:
            data = self._socket.recv(LONGEST)
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            yield LOST
            return
        for kind, body in _messages(data):
            if kind == NEW_GENERATION:
                yield from (f"{event}, by {_maker(body)}" for event in self._batch)
                self._batch.clear()
            elif kind in KINDS:
                self._batch.append(f"{KINDS[kind]} {_table(body)}")


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= HEADER.size:
        length, kind, *_ = HEADER.unpack_from(data)
        yield kind & 0xFF, data[HEADER.size : length]
        data = data[_aligned(length) :]


def _table(body: bytes) -> str:
    return f"{FAMILIES.get(body[0], body[0])} {_first(body, 1)}"


def _maker(body: bytes) -> str:
    """NFTA_GEN_PROC_NAME."""
    return _first(body, 3)


def _first(body: bytes, wanted: int) -> str:
    data = body[GENERIC:]
    while len(data) >= ATTRIBUTE.size:
        length, kind = ATTRIBUTE.unpack_from(data)
        if kind & 0x3FFF == wanted:
            return data[ATTRIBUTE.size : length].rstrip(b"\0").decode(errors="replace")
        data = data[_aligned(length) :]
    return "?"


def _aligned(length: int) -> int:
    """To the next multiple of four; never zero, or a broken message would hold us for ever."""
    return max(length + 3 & ~3, 4)
