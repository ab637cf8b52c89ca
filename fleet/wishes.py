"""What the senders want of each host: the last cast of each port there."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from bench.cases import CASES, Vif

_KINDS = tuple(CASES)
_NETWORKS = 5


@dataclass
class Wish:
    """``generation`` 0: not cast yet."""

    vif: Vif
    plugged: bool
    generation: int = 0


class Wishes:
    """By host and port. A guest that moves is unplugged here and plugged there, as one port."""

    def __init__(self, hosts: list[str], seed: int) -> None:
        self._by_host: dict[str, dict[str, Wish]] = {host: {} for host in hosts}
        self._seed, self._made = seed, 0

    def of(self, host: str) -> dict[str, Wish]:
        return self._by_host[host]

    def plugged(self, host: str) -> list[Vif]:
        return [wish.vif for wish in self._by_host[host].values() if wish.plugged]

    def new(self) -> Vif:
        """Of a new guest: OVS hybrid, OVS with tap and linux bridge in turn."""
        self._made += 1
        kind = _KINDS[self._made % len(_KINDS)]
        return CASES[kind].vif(f"fleet-{self._seed}-{self._made}", self._made % _NETWORKS)

    def want(self, host: str, vif: Vif, plugged: bool) -> Wish:
        wish = Wish(vif, plugged)
        self._by_host[host][str(vif["id"])] = wish
        return wish

    def one(self, host: str, dice: random.Random) -> Vif | None:
        """Any that is plugged there."""
        there = self.plugged(host)
        return dice.choice(there) if there else None

    def __iter__(self) -> Iterator[tuple[str, dict[str, Wish]]]:
        return iter(self._by_host.items())
