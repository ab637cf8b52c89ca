"""What the policy must know of a link, and no more: read off the kernel's own message of it."""

import dataclasses
import socket
import struct
from collections.abc import Callable, Collection, Mapping, Sequence

from vif_agent.host.netlink import iflink
from vif_agent.host.netlink.rtnetlink import (
    GET,
    Answer,
    LinkRequest,
    Socket,
    attributes,
    each_attribute,
    number,
    text,
)
from vif_agent.ownership import owner_in_alias

_NO_STATS = number(iflink.EXT_MASK, iflink.SKIP_STATS)
_TAP = b"\x02"  # IFF_TAP


@dataclasses.dataclass(frozen=True, slots=True)
class Looked:
    """``names``: all that it has, the first one first. ``owner``: its owner tag; None: it has none.
    ``master``: an index, 0 for none."""

    index: int
    names: tuple[str, ...]
    kind: str
    owner: str | None
    master: int

    @property
    def name(self) -> str:
        """The first; the others are alternative names."""
        return self.names[0]


def looked(body: bytes) -> Looked:
    """From an RTM_NEWLINK, without its header: no more than the policy asks for."""
    (index,) = struct.unpack_from("=i", body, 4)
    name, kind, alias, master = "", "", "", 0
    others: list[str] = []
    for what, payload in each_attribute(body, 16):
        if what == iflink.IFNAME:
            name = _text(payload)
        elif what == iflink.IFALIAS:
            alias = _text(payload)
        elif what == iflink.MASTER:
            (master,) = struct.unpack("=i", payload)
        elif what == iflink.LINKINFO:
            kind = _kind(attributes(payload))
        elif what == iflink.PROP_LIST:
            others = [_text(n) for w, n in each_attribute(payload) if w == iflink.ALT_IFNAME]
    return Looked(index, (name, *others), kind, owner_in_alias(alias), master)


class Looks:
    """The links that a call speaks of, as they were when it began: one send for all.

    ``known``: what is known by its index, and need not be read: a reading waits for the kernel's
    lock for links. The names are those of links that are there then: for each that is not the
    kernel looks for a module, and runs modprobe.
    """

    def __init__(
        self,
        netlink: Socket,
        indexes: Collection[int],
        names: Collection[str],
        known: Callable[[str, int], Looked | None] | None = None,
    ) -> None:
        indexed = {name: known(name, _index_of(name)) for name in names} if known else {}
        of_known = {name: link for name, link in indexed.items() if link}
        requests = [
            *(LinkRequest(GET, _NO_STATS, index) for index in indexes),
            *(
                LinkRequest(GET, _NO_STATS + text(iflink.IFNAME, name))
                for name in names
                if name not in of_known
            ),
        ]
        answers = _ask(netlink, requests)
        read = [looked(body) for answer in answers for body in answer.links]
        found = [*of_known.values(), *read]  # what was read counts
        self.by_index = {link.index: link for link in found}
        self.by_name = {name: link for link in found for name in link.names}
        self._netlink = netlink

    def master_of(self, link: Looked) -> Looked | None:
        """Asked for only where somebody wants to know."""
        if link.master and link.master not in self.by_index:
            (answer,) = self._netlink.ask([LinkRequest(GET, _NO_STATS, link.master)])
            for body in answer.links:
                self.by_index[link.master] = looked(body)
        return self.by_index.get(link.master)


def _index_of(name: str) -> int:
    """0 for none."""
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return 0


def _ask(netlink: Socket, requests: Sequence[LinkRequest]) -> list[Answer]:
    return netlink.ask(requests) if requests else []


def _kind(info: Mapping[int, bytes]) -> str:
    """A tun of layer 3 is none of those that we make."""
    kind = _text(info.get(iflink.INFO_KIND, b""))
    if kind != "tun":
        return kind
    data = attributes(info.get(iflink.INFO_DATA, b""))
    return kind if data.get(iflink.TUN_TYPE) == _TAP else "tun of layer 3"


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")
