"""Which ports claim a thing of the host, as an index: no question costs more where more ports are.

A claim is put anew when its port's resources or its standing change.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from vif_agent.ports.port import ERROR, Port
from vif_agent.resources import Key


class Claim(NamedTuple):
    """``right``: which of two ports keeps a name that both want, the lesser; ``turn``: which was
    asked for last, the greater; both end in the port's id. ``may_retry``: it was refused, and not
    for good: it may go on when one of these things has changed."""

    keys: frozenset[Key]
    precedence: tuple[bool, bool, int, str]
    turn: tuple[int, str]
    may_retry: bool


def claim(port: Port, keys: frozenset[Key], failed_permanently: bool) -> Claim:
    """One that was ready as asked comes first, and at the least one that was not refused: however
    old a port is, a bad cast for it takes nothing from others."""
    failed = port.state == ERROR
    precedence = (port.ready_at is None, failed, port.since, port.port_id)
    return Claim(keys, precedence, (port.seq, port.port_id), failed and not failed_permanently)


class Claims:
    """The claims of all ports."""

    def __init__(self) -> None:
        self._claims: dict[str, Claim] = {}
        self._by_right, self._by_turn, self._refused = _Order(), _Order(), _Order()

    def copy(self) -> "Claims":
        """For a plan that only looks."""
        other = Claims()
        other._claims = dict(self._claims)
        other._by_right, other._by_turn = self._by_right.copy(), self._by_turn.copy()
        other._refused = self._refused.copy()
        return other

    def put(self, port_id: str, claim: Claim | None) -> None:
        """In place of the port's claim as it was; None: it claims nothing."""
        before = self._claims.get(port_id)
        if claim == before:
            return
        self._claims.pop(port_id, None)
        if claim:
            self._claims[port_id] = claim
            self._add(claim)
        if before:  # last, for what stays is to be claimed all the while
            self._discard(before)

    def _add(self, claim: Claim) -> None:
        for key in claim.keys:
            self._by_right.add(key, claim.precedence)
            self._by_turn.add(key, claim.turn)
            if claim.may_retry:
                self._refused.add(key, claim.precedence)

    def _discard(self, claim: Claim) -> None:
        for key in claim.keys:
            self._by_right.discard(key, claim.precedence)
            self._by_turn.discard(key, claim.turn)
            if claim.may_retry:
                self._refused.discard(key, claim.precedence)

    def of(self, port_id: str) -> frozenset[Key]:
        """All keys that the port claims, also those that another has."""
        known = self._claims.get(port_id)
        return known.keys if known else frozenset()

    def claimed(self, key: Key) -> bool:
        """By any port?"""
        return key in self._by_right

    def by_right(self, port_ids: Iterable[str]) -> list[str]:
        """These ports, in the order of precedence."""
        return sorted(port_ids, key=lambda port_id: self._claims[port_id].precedence)

    def claimants(self, key: Key) -> Iterator[str]:
        """The ports, in the order of precedence."""
        return (precedence[-1] for precedence in self._by_right[key])

    def first_and_last(self, key: Key) -> set[str]:
        """By right, and by when they were asked for."""
        order = self._by_right[key]
        return {order[0][-1], self._by_turn[key][-1][-1]} if order else set()

    def refused(self, keys: Iterable[Key]) -> set[str]:
        """The ports that may go on when these have changed."""
        return {precedence[-1] for key in keys for precedence in self._refused[key]}


class _Order:
    """By key the ranks of its claimants, the least first. A rank ends in a port's id."""

    def __init__(self) -> None:
        self._ranks: dict[Key, list[tuple[Any, ...]]] = {}
        self._lent: set[Key] = set()  # whose list is also the original's, which does not change now

    def __contains__(self, key: Key) -> bool:
        return key in self._ranks

    def __getitem__(self, key: Key) -> Sequence[tuple[Any, ...]]:
        return self._ranks.get(key, ())

    def copy(self) -> "_Order":
        other = _Order()
        other._ranks, other._lent = dict(self._ranks), set(self._ranks)
        return other

    def add(self, key: Key, rank: tuple[Any, ...]) -> None:
        insort(self._own(key), rank)

    def discard(self, key: Key, rank: tuple[Any, ...]) -> None:
        ranks = self._own(key)
        place = bisect_left(ranks, rank)
        if ranks[place : place + 1] == [rank]:
            del ranks[place]
        if not ranks:
            del self._ranks[key]

    def _own(self, key: Key) -> list[tuple[Any, ...]]:
        if key in self._lent:
            self._lent.remove(key)
            self._ranks[key] = [*self._ranks[key]]
        return self._ranks.setdefault(key, [])
