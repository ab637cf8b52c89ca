"""The replica of links: filled once, kept by the kernel's events, and asked instead of the kernel.

What the kernel does not tell, or late, is asked for at each look, for the links looked at:

- of a link that is down: alias, alternative names and a bridge's own settings;
- of a tap: whether somebody has it open (an event comes up to a second late, of single queues not
  at all);
- of any link: the sysctls;
- of what may have addresses: IPv6 ones made without a search for duplicates, as ours in a NIC's
  move (a work queue tells of them, after their maker was answered);
- a tunnel's peers, until they were read once.

Needs no capability. Not for use by two threads at once: see ``watch``.
"""

import errno
import logging
import socket
from collections.abc import Collection, Iterable, Iterator
from typing import TypeAlias

from pyroute2.netlink.rtnl import RTM_DELADDR, RTM_NEWADDR, RTM_NEWLINK

from vif_agent.host.netlink import addresses, iflink, vxlan
from vif_agent.host.netlink.decode import LinkState
from vif_agent.host.netlink.device_sysctls import DeviceSysctls
from vif_agent.host.netlink.event_socket import Events
from vif_agent.host.netlink.glimpsed import link_facts
from vif_agent.host.netlink.rtnetlink import GET, LinkRequest, Socket, number
from vif_agent.host.netlink.table import LinkTable, differences
from vif_agent.ownership import owner_in_alias
from vif_agent.resources import ADDRESS, LINK, Key
from vif_agent.topology.facts import LinkFacts

LOG = logging.getLogger(__name__)

#: the links that an event was about, and all keys of these
Changes: TypeAlias = tuple[set[int], set[Key]]

_NO_STATS = number(iflink.EXT_MASK, iflink.SKIP_STATS)


class LinkReplica:
    """``heard``: events by now. ``lost``: how often some were lost, and all was read anew.
    ``missing``: of how many links a reading of all has found what no event had shown."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self.table = LinkTable()
        self.lost = self.missing = self.heard = 0
        self._is_new = False

    def start(self) -> None:
        """First the events, then one dump: so nothing is missed between."""
        self._events.listen()
        self._socket = Socket()
        self._sysctls = DeviceSysctls()
        self._fill()

    def close(self) -> None:
        """What it has open."""
        self._events.close()
        self._socket.close()
        self._sysctls.close()

    @property
    def room(self) -> int:
        """For what was sent and not yet read, in bytes."""
        return self._events.room

    # -- what the kernel has sent ------------------------------------------------------------

    def catch_up(self) -> Changes | None:
        """Take in all that was sent by now: the links it is about, and the keys of these, by all
        names that they have or had. None: some was lost, and everything may differ."""
        touched: set[int] = set()
        keys: set[Key] = set()
        try:
            self._take(touched, keys)
        except OSError as error:
            self._read_anew(error)
            return None
        for index in touched:
            keys.update(Key(LINK, name) for name in self.table.names_of(index))
        return touched, keys

    def _take(self, touched: set[int], keys: set[Key]) -> None:
        table = self.table
        for kind, body in self._events.take():
            self.heard += 1
            index = int.from_bytes(body[4:8], "little")
            if index not in touched:
                touched.add(index)
                keys.update(Key(LINK, name) for name in table.names_of(index))
            if kind in (RTM_NEWADDR, RTM_DELADDR):
                keys.update(self._moved(kind, body))
            else:
                table.take(kind, body)

    def _moved(self, kind: int, body: bytes) -> Iterator[Key]:
        """An address that is now at another device. (An event tells its lifetime again and
        again.)"""
        text = addresses.parsed(body).text
        before = self.table.carried.bearer(text)
        self.table.take(kind, body)
        if self.table.carried.bearer(text) != before:
            yield Key(ADDRESS, text)

    def _read_anew(self, error: OSError) -> None:
        """The kernel tells nothing more until what waits was taken."""
        while True:
            try:
                self._take(set(), set())
                break
            except OSError:
                continue
        self.lost += 1
        level = logging.WARNING if self.lost == 1 or error.errno != errno.ENOBUFS else logging.INFO
        LOG.log(level, "Events of links were lost, %d times by now (%s; room for %d KiB): reading "
                "all links anew", self.lost, error, self.room >> 10)  # fmt: skip
        self._fill()

    def _fill(self) -> None:
        self.table, self._is_new = self._dumped(), True

    def _dumped(self) -> LinkTable:
        table = LinkTable()
        for body in self._socket.dump(_NO_STATS):
            table.take(RTM_NEWLINK, body)
        for address in addresses.dump(self._socket):
            table.take(RTM_NEWADDR, address.body)
        return table

    def compare(self) -> Changes | None:
        """Read everything anew, and say where the events had shown otherwise, or nothing; what they
        have shown meanwhile."""
        if self._is_new:
            self._is_new = False
            return self.catch_up()
        before, self.table = self.table, self._dumped()
        changes = self.catch_up()
        if changes is not None:
            self._compare(before, changes[0])
        return changes

    def _compare(self, before: LinkTable, meanwhile: Collection[int]) -> None:
        for gone in before.all():
            if gone.index not in meanwhile and self.table.get(gone.index) is None:
                self._tell_missing(gone.name, "its end")
        for state in self.table.all():
            ours = before.get(state.index)
            differing = differences(ours, state) if ours else {"index": (None, state.index)}
            if differing and state.is_told and state.index not in meanwhile:
                self._tell_missing(state.name, differing)

    def _tell_missing(self, name: str, what: object) -> None:
        self.missing += 1
        LOG.warning("%s: the kernel's events had not shown %s", name, what)

    # -- what is there -----------------------------------------------------------------------

    def named(
        self,
        names: Collection[str],
        indexes: Collection[int],
        as_told: Collection[str] = (),
        unopened: Collection[str] = (),
    ) -> list[LinkState]:
        """The links of these names or indexes that exist, as they are now; those of ``as_told`` as
        the last event has them, and likewise taps that are up and ``unopened``."""
        table = self.table
        known_by = {name: i for name in names if (i := self._index_of(name))}
        asked = {*known_by.values(), *indexes}
        told = {known_by[name] for name in as_told if name in known_by}
        up = {known_by[name] for name in unopened if table.is_up(known_by.get(name, 0))}
        self._refresh(asked - told - up)
        known = [state for index in asked if (state := table.get(index))]
        self._refresh({s.master for s in known} - asked - {0})
        for state in known:
            if state.is_told or state.index in up:
                self._read_sysctls(state)
            self._know_peers(state)
        if any(map(_may_have_addresses, known)):
            table.carried.keep_ipv6(addresses.dump(self._socket, family=socket.AF_INET6))
        return known

    def glimpsed(self, indexes: Collection[int]) -> list[LinkFacts]:
        """Those that are still there, for a picture. Of taps and what is down the kernel does not
        tell all by itself: it is asked."""
        self._refresh(indexes)
        states = (self.table.get(index) for index in indexes)
        return [link_facts(state, self.table) for state in states if state]

    def addresses(self, index: int) -> list[str]:
        """Of the device of this index, as text."""
        return self.table.carried.of(index)

    def everything(self) -> Iterator[LinkState]:
        """All links, with what tunnels have of peers."""
        for state in self.table.all():
            self._know_peers(state)
            yield state

    def _read_sysctls(self, state: LinkState) -> None:
        """A device without IPv6 counts as IPv6 off."""
        known, read = state.sysctls, self._sysctls.read
        known["disable_ipv6"] = read("disable_ipv6", state.name, 1)
        if state.kind == "bridge":
            for field in ("arp_ignore", "arp_announce"):
                known[field] = read(field, state.name, known[field])

    def _know_peers(self, tunnel: LinkState) -> None:
        if tunnel.kind == "vxlan" and self.table.peers(tunnel.index) is None:
            self.table.keep_peers(tunnel.index, vxlan.peers(self._socket, tunnel.index))

    def _index_of(self, name: str) -> int:
        """An alternative name may have come or gone in silence."""
        index = self.table.index_of(name)
        if index and self.table.name_of(index) == name:
            return index
        try:
            kernels = socket.if_nametoindex(name)
        except OSError:
            kernels = 0
        if kernels != index:
            self._read({index, kernels} - {0})
        return kernels

    def _refresh(self, indexes: Iterable[int]) -> None:
        self._read({index for index in indexes if not self.table.is_told(index)})

    def _read(self, indexes: Collection[int]) -> None:
        asked = sorted(indexes)
        answers = self._socket.ask([LinkRequest(GET, _NO_STATS, index) for index in asked])
        for index, answer in zip(asked, answers, strict=True):
            for body in answer.links:
                self.table.take(RTM_NEWLINK, body)
            if answer.errno:
                self.table.forget(index)


def _may_have_addresses(link: LinkState) -> bool:
    """Of IPv6: not what has none, nor what is made for one port."""
    owner = owner_in_alias(link.alias)
    if link.kind == "bridge":
        return not link.sysctls["disable_ipv6"]
    return link.kind == "vxlan" or not (link.kind == "tun" or owner)
