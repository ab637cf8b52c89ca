"""Keeps the replica of links by a thread, answers from it, and reports what nobody has seen.

That is what the last look at a link has not seen, and what was not reported since. So the echo of
our own work, which the look that verifies it has seen, wakes nobody.
"""

import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Set

from vif_agent.host.in_parts import in_parts
from vif_agent.host.netlink.decode import LinkState
from vif_agent.host.netlink.event_socket import Events
from vif_agent.host.netlink.found import fingerprint, link_found
from vif_agent.host.netlink.replica import Changes, LinkReplica
from vif_agent.host.ovs.ovsdb import OnChange
from vif_agent.ownership import SHARED, Found, is_one_ports, owner_in_alias
from vif_agent.resources import ADDRESS, LINK, Key
from vif_agent.topology.facts import LinkFacts

_NEVER_SEEN = 0
#: few events come alone, and to be woken costs more than ten events; who looks at links hears by
#: itself what came until then
_GATHER_SECONDS = 0.002


class LinkEvents:
    """``on_change`` must only take note: it is called on the watching thread, or on the one that
    looks. ``beside``: what else may have changed with this network card, as its VFs.
    """

    def __init__(
        self, on_change: OnChange, beside: Callable[[str], Iterable[Key]], events: Events | None
    ) -> None:
        self._on_change = on_change
        self._beside = beside
        self._events = events or Events()
        self.replica = LinkReplica(self._events)
        self._lock = threading.Lock()
        self._seen: dict[str, int | None] = {}  # by name; None: seen that it is not there
        self._working: frozenset[str] = frozenset()
        self._at_work = threading.Lock()
        self.concerns: Callable[[Key], bool] = lambda key: True
        self.with_cards = False
        self._thread = threading.Thread(target=self._run, name="link-watch", daemon=True)

    def start(self) -> None:
        """From here on no change is missed."""
        self.replica.start()
        self._thread.start()

    def stop(self) -> None:
        """Returns when the thread has ended."""
        self._events.end()
        self._thread.join()
        self.replica.close()

    def _run(self) -> None:
        while self._events.wait():
            time.sleep(_GATHER_SECONDS)
            with self._at_work, self._hearing():
                pass

    # -- looking -----------------------------------------------------------------------------

    def read(
        self,
        names: Set[str],
        members_of: Collection[str] = (),
        indexes: Collection[int] = (),
        as_told: Set[str] = frozenset(),
        unopened: Set[str] = frozenset(),
    ) -> dict[Key, Found]:
        """The links of these names or indexes that exist, by all names that are asked for. For the
        others see LinkReplica.named."""
        with self._hearing():
            answer: dict[Key, Found] = {}
            for name in names:
                self._note_absent(name)
            for state in self.replica.named(names, indexes, as_told, unopened):
                counts = state.name in members_of and _counts_members(state)
                found = self._found(state, counts)
                called = (state.name, *state.altnames)
                taken = called if state.index in indexes else names & {*called}
                answer |= {Key(LINK, name): found for name in taken}
                self._seen |= dict.fromkeys(taken, fingerprint(found))
            return answer

    def read_all(self, wanted: Set[str]) -> dict[Key, Found]:
        """Those of these names, and all with our owner tag, read anew from the kernel."""
        with self._lock:
            unseen = self._unseen(self.replica.compare())
            self._seen = dict.fromkeys(wanted)
            answer: dict[Key, Found] = {}
            for state in self.replica.everything():
                called = (state.name, *state.altnames)
                if owner_in_alias(state.alias) is None and wanted.isdisjoint(called):
                    continue
                found = self._found(state, with_members=True)
                answer |= {Key(LINK, name): found for name in called}
                self._seen |= dict.fromkeys(called, fingerprint(found))
        self._tell(unseen)
        return answer

    def glimpse(self) -> Iterator[LinkFacts]:
        """All links as they are now; nobody who has work to do is kept waiting for it."""
        with self._hearing():
            indexes = self.replica.table.indexes()
        return in_parts(self._lock, indexes, self.replica.glimpsed)

    def _note_absent(self, name: str) -> None:
        """Of those that nobody wants any more no note is kept."""
        if self.concerns(Key(LINK, name)):
            self._seen[name] = None
        else:
            self._seen.pop(name, None)

    def _found(self, state: LinkState, with_members: bool) -> Found:
        found = link_found(state, self.replica.table)
        if with_members and (members := self.replica.table.above(state.index)):
            return dataclasses.replace(found, members=members)
        return found

    # -- telling -----------------------------------------------------------------------------

    @contextlib.contextmanager
    def working_at(self, names: Collection[str]) -> Iterator[None]:
        """What changes of these meanwhile is our own doing. The look that follows sees what came of
        it; names that are free now are reported to others.

        All that is told meanwhile is taken in at the end: who would be woken by it is at work here.
        """
        with self._at_work:
            self._working, there = frozenset(names), self._there(names)
            try:
                yield
            finally:
                with self._hearing():
                    pass
                self._working = frozenset()
                self._tell(there - self._there(names))

    def _there(self, names: Collection[str]) -> set[Key]:
        return {Key(LINK, name) for name in names if self.replica.table.index_of(name)}

    @contextlib.contextmanager
    def _hearing(self) -> Iterator[None]:
        """Alone with the replica, which has taken in all that the kernel has sent by now."""
        with self._lock:
            unseen = self._unseen(self.replica.catch_up())
            yield
        self._tell(unseen)

    def _tell(self, unseen: Collection[Key] | None) -> None:
        """None: everything."""
        keys = None if unseen is None else frozenset(filter(self._is_of_concern, unseen))
        if keys is None or keys:
            self._on_change(keys)

    def _unseen(self, changes: Changes | None) -> set[Key] | None:
        if changes is None:
            self._seen.clear()
            return None
        touched, keys = changes
        unseen = {key for key in keys if self._is_of_concern(key) and self._is_unseen(key)}
        for index in touched if self.with_cards else ():
            if self.replica.table.is_physical(index):
                beside = self._beside(self.replica.table.name_of(index))
                unseen |= {key for key in beside if key.name not in self._working}
        return unseen

    def _is_of_concern(self, key: Key) -> bool:
        """What was looked at, is: the port that wants it may just be entered anew."""
        return key.space == ADDRESS or key.name in self._seen or self.concerns(key)

    def _is_unseen(self, key: Key) -> bool:
        if key.space != LINK:
            return True
        if key.name in self._working:
            self._seen.pop(key.name, None)
            return False
        table = self.replica.table
        index = table.index_of(key.name)
        state = table.get(index) if index else None
        now = fingerprint(link_found(state, table)) if state else None
        before = self._seen.get(key.name, _NEVER_SEEN)
        self._seen[key.name] = now
        return before != now


def _counts_members(link: LinkState) -> bool:
    """Only what several ports may share must be empty to go, and what is one port's that we have
    not made."""
    owner = owner_in_alias(link.alias)
    strange = owner is None and is_one_ports(link.name)
    return strange or owner == SHARED
