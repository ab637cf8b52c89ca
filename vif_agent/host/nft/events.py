"""Who else has changed our table? nf_tables tells of each batch, and at its end who did it.

The kernel lets only CAP_NET_ADMIN subscribe, and whoever has goes on hearing: so this is opened
before the capabilities are dropped.
"""

from collections.abc import Iterator
from typing import NamedTuple

from vif_agent.errors import plain
from vif_agent.host.netlink.sockets import HearingSocket, unpacked
from vif_agent.host.nft.messages import NEW_GENERATION
from vif_agent.host.nft.netlink import NETLINK_NETFILTER
from vif_agent.host.nft.shown import generation_shown, is_ours

_GROUP = 1 << 7 - 1  # NFNLGRP_NFTABLES
#: a batch of 1,000 ports are 5,000 messages of 150 bytes; taken only as far as it is needed
ROOM = 8 << 20
_ONE_TIME = 1 << 16


class Change(NamedTuple):
    """Who has changed something of our table: the process's name, and its number."""

    by: str
    pid: int


class NftEvents(HearingSocket):
    """Heard from its making on. OSError: without CAP_NET_ADMIN, or the kernel has no such thing."""

    def __init__(self, room: int = ROOM) -> None:
        super().__init__(NETLINK_NETFILTER, room)
        self.raw.bind((0, _GROUP))
        self._ours = 0
        self._touched = False

    def listen(self, ours: int) -> None:
        """``ours``: the process whose changes are not told, the helper."""
        self.begin()
        self._ours = ours

    def take(self) -> Iterator[Change]:
        """Each batch of somebody else since the last time that was about our table. OSError
        (ENOBUFS): some are lost; what comes after that comes with the next call."""
        while True:
            try:
                data = self.raw.recv(_ONE_TIME)
            except BlockingIOError:
                return
            for kind, _, _, port, body in unpacked(data):
                if kind & 0xFF != NEW_GENERATION:
                    self._touched = self._touched or is_ours(body)
                    continue
                _, pid, name = generation_shown(body)
                # the pid is that of the host's own namespace; a socket's first number is one's own
                if self._touched and self._ours not in (pid, port):
                    yield Change(plain(name), pid)  # a process may call itself anything
                self._touched = False
