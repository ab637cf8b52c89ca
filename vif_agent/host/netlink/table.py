"""Every link of the host, with addresses and tunnels' peers, as the kernel tells. No I/O.

A message about a link is only put by: most are followed by another of the same link before anybody
asks, and most links are nobody's port.
"""

import dataclasses
import struct
from collections.abc import Iterator, Mapping

from pyroute2.netlink.rtnl import (
    RTM_DELADDR,
    RTM_DELLINK,
    RTM_DELNEIGH,
    RTM_NEWADDR,
    RTM_NEWLINK,
    RTM_NEWNEIGH,
)

from vif_agent.host.netlink import decode, iflink
from vif_agent.host.netlink.carried import Carried
from vif_agent.host.netlink.decode import LinkState
from vif_agent.host.netlink.rtnetlink import attributes, text
from vif_agent.host.netlink.vxlan import peer_of

_AF_BRIDGE = 7
_INDEX = struct.Struct("=i").unpack_from
_FLAGS = struct.Struct("=I").unpack_from
_ATTRIBUTE = struct.Struct("=HH").unpack_from
_A_TUN = text(iflink.INFO_KIND, "tun")

_TOLD = ["name", "kind", "mtu", "mac", "up", "promisc", "master", "link", "alias", "port", "data"]


class LinkTable:
    """``take`` is given the kernel's messages in their order; the rest answers from them, and
    ``carried`` of addresses.

    Three indexes are kept with the links: names, what is in (or stands on) which link, and what
    has changed since it was parsed.
    """

    def __init__(self) -> None:
        self._states: dict[int, LinkState] = {}
        self._bodies: dict[int, bytes] = {}  # not parsed yet, newer than the state
        self._ports: dict[int, bytes] = {}  # likewise, of a bridge's port
        self._names: dict[str, int] = {}
        self._called: dict[int, str] = {}
        self._above: dict[int, set[int]] = {}  # in a bridge, or standing on a device
        self.carried = Carried()
        self._peers: dict[int, set[str]] = {}

    def __len__(self) -> int:
        return len(self._called)

    # -- what the kernel tells ---------------------------------------------------------------

    def take(self, kind: int, body: bytes) -> int:
        """The index of the link that it is about; 0 for none."""
        (index,) = _INDEX(body, 4)
        if kind in (RTM_NEWLINK, RTM_DELLINK):
            if body[0] == _AF_BRIDGE:  # of a bridge's port: whatever the kind, the device stays
                self._ports[index] = body
            elif kind == RTM_NEWLINK:
                self._note(index, body)
            else:
                self.forget(index)
        elif kind in (RTM_NEWADDR, RTM_DELADDR):
            self.carried.note(index, body, there=kind == RTM_NEWADDR)
        elif kind in (RTM_NEWNEIGH, RTM_DELNEIGH):
            self._note_peer(index, body, there=kind == RTM_NEWNEIGH)
        return int(index)

    def forget(self, index: int) -> None:
        """It has gone, with all that it had."""
        self._bodies.pop(index, None)
        self._ports.pop(index, None)
        self.carried.forget(index)
        self._peers.pop(index, None)
        self._called_now(index, None)
        self._replace(index, None)

    def keep_peers(self, index: int, peers: set[str]) -> None:
        """From here on the events tell how they change."""
        self._peers[index] = set(peers)

    def _note(self, index: int, body: bytes) -> None:
        length, kind = _ATTRIBUTE(body, 16)
        if kind != iflink.IFNAME:  # the kernel puts the name first
            self._replace(index, decode.link(body))
            self._bodies.pop(index, None)
            name = self._states[index].name
        else:
            self._bodies[index] = body
            name = body[20 : 15 + length].decode(errors="replace")
        self._ports.pop(index, None)
        if self._called.get(index) != name:
            self._called_now(index, name)

    def _called_now(self, index: int, name: str | None) -> None:
        self._unname(index, self._called.pop(index, None))
        if name is not None:
            self._called[index] = name
            self._names[name] = index

    def _unname(self, index: int, name: str | None) -> None:
        if name is not None and self._names.get(name) == index:
            del self._names[name]

    def _note_peer(self, index: int, body: bytes, there: bool) -> None:
        peer = peer_of(body)
        if peer and index in self._peers:
            (self._peers[index].add if there else self._peers[index].discard)(peer)

    # -- what it says ------------------------------------------------------------------------

    def get(self, index: int) -> LinkState | None:
        """Decoded when it is first asked for; None for no such link."""
        if (body := self._bodies.pop(index, None)) is not None:
            self._replace(index, decode.link(body))
        if (settings := self._ports.pop(index, None)) is not None:
            self._note_port(index, settings)
        return self._states.get(index)

    def is_told(self, index: int) -> bool:
        """Does the kernel tell at once of all that changes of it? Without decoding what it has told
        last; False also for what is not known, and perhaps for one that has a tap's bytes in it."""
        if (body := self._bodies.get(index)) is not None:
            return self.is_up(index) and _A_TUN not in body
        state = self._states.get(index)
        return state is not None and state.is_told

    def is_up(self, index: int) -> bool:
        """Without decoding it; False also for no such link."""
        if (body := self._bodies.get(index)) is not None:
            return bool(_FLAGS(body, 8)[0] & iflink.UP)
        state = self._states.get(index)
        return state is not None and state.up

    def index_of(self, name: str) -> int:
        """By one of its names; 0 for none."""
        index = self._names.get(name, 0)
        if index and self._called.get(index) != name:  # it may have lost this one by now
            self.get(index)
        return self._names.get(name, 0)

    def name_of(self, index: int) -> str:
        """Without decoding it; "" for no such link."""
        return self._called.get(index, "")

    def names_of(self, index: int) -> set[str]:
        """By which it was known when it was last parsed, and the one that it has now."""
        state = self._states.get(index)
        names = {state.name, *state.altnames} if state else set()
        return names | {self._called[index]} if index in self._called else names

    def is_physical(self, index: int) -> bool:
        """A network card: of no kind."""
        state = self._states.get(index) or self.get(index)
        return state is not None and not state.kind

    @property
    def unparsed(self) -> frozenset[int]:
        """What nobody has asked for since its last event."""
        return frozenset(self._bodies)

    def all(self) -> Iterator[LinkState]:
        """Each decoded, if it was not."""
        for index in list(self._called):
            if state := self.get(index):
                yield state

    def indexes(self) -> list[int]:
        """Of all links, by name."""
        return sorted(self._called, key=self._called.__getitem__)

    def above(self, index: int) -> frozenset[str]:
        """The names of what is in it, or stands on it."""
        for other in [*self._bodies]:
            self.get(other)
        return frozenset(self._called[i] for i in self._above.get(index, ()) if i in self._called)

    def peers(self, index: int) -> set[str] | None:
        """Of a tunnel; None: no event has shown them yet."""
        return self._peers.get(index)

    def _note_port(self, index: int, body: bytes) -> None:
        state, settings = self._states.get(index), attributes(body, 16)
        if state and state.port is not None and iflink.PROTINFO in settings:
            port = decode.port(settings[iflink.PROTINFO])
            self._states[index] = dataclasses.replace(state, port=port)

    def _replace(self, index: int, state: LinkState | None) -> None:
        before = self._states.pop(index, None)
        if before:
            self._unstack(before)
            for name in before.altnames if before.altnames != (state and state.altnames) else ():
                self._unname(index, name)
        if state:
            self._states[index] = state
            self._stack(state)
            for name in state.altnames:
                self._names.setdefault(name, index)

    def _stack(self, state: LinkState) -> None:
        for below in _below(state):
            self._above.setdefault(below, set()).add(state.index)

    def _unstack(self, state: LinkState) -> None:
        for below in _below(state):
            self._above[below].discard(state.index)
            if not self._above[below]:
                del self._above[below]


def _below(state: LinkState) -> set[int]:
    stands_on = state.link if state.kind in iflink.STACKED else 0
    return {state.master, stands_on} - {0}


def differences(ours: LinkState, kernels: LinkState) -> Mapping[str, tuple[object, object]]:
    """In what the events should have shown."""
    pairs = ((field, ours[field], kernels[field]) for field in _TOLD)
    return {field: (a, b) for field, a, b in pairs if a != b}
