"""One port as the engine knows it."""

import dataclasses
import time
from collections.abc import Mapping
from typing import NamedTuple

from vif_agent.errors import (
    CommandNotAllowed,
    HostRefused,
    Problem,
)
from vif_agent.ports.port import ERROR, Port, Spec
from vif_agent.resources import OVS_SPACES, Key, Resource

#: kept once, for each empty set takes 216 bytes
NOTHING = frozenset[Key]()

#: codes of what is found out only when some of a port is made already
_UNDONE = (HostRefused.code, CommandNotAllowed.code)


class Answer(NamedTuple):
    """What a plugin has answered for a spec; the PCI addresses that this speaks of, and whether
    some of its names are the host's to say (see ``places``)."""

    spec: Spec
    resources: tuple[Resource, ...]
    pci_addresses: frozenset[str]
    has_placeholders: bool


@dataclasses.dataclass(slots=True)
class Progress:
    """How far the port is on the way to being settled. Times are by a clock that nobody sets."""

    received: float = dataclasses.field(default_factory=time.monotonic)  # its request
    reconciles_in_a_row: int = 0  # that had something to do for it
    began: float | None = None  # when the first of them did
    undone: str = ""  # what it found wrong with a port that was ready
    waiting_since: float | None = None  # when others had to do something for it
    renewed: bool = False  # it wants something else without a new request
    told: set[tuple[str, str]] = dataclasses.field(default_factory=set)  # what was done, as told

    def settle(self) -> None:
        """It is as it was asked for: what comes now is a matter of its own."""
        self.began, self.undone, self.renewed = None, "", False
        self.told.clear()


@dataclasses.dataclass(slots=True)
class PortRecord:
    """One port as the engine knows it."""

    port: Port
    progress: Progress = dataclasses.field(default_factory=Progress)
    wanted: tuple[Resource, ...] = ()
    refused: Problem | None = None
    unanswered: bool = False  # nor refused: its plugin has not answered yet
    held: frozenset[Key] = NOTHING  # keys that are, or may be, on the host for this port
    created_since_ready: frozenset[Key] = NOTHING  # keys made for it since it was last well
    restores: tuple[Resource, ...] = ()  # external, changed for its earlier requests
    refusals: Mapping[Key, str] = dataclasses.field(default_factory=dict)  # by Open vSwitch, logged
    needs_lookup: bool = False  # some of its names are the host's to say, at each reconcile
    uncertain: bool = False  # a process before this one may have died amid its commands
    answers: tuple[Answer, ...] = ()  # its plugin's, for its specs: it is asked once for each

    @property
    def claims(self) -> frozenset[Key]:
        """Keys this port keeps from being removed. A refused request leaves things as they are."""
        keys = {resource.key for resource in self.wanted}
        return self.held | keys if self.refused else frozenset(keys)

    @property
    def untouched(self) -> bool:
        """Was nothing done for its request, nor is for earlier ones left to do?"""
        perhaps = self.held or self.wanted or self.uncertain or self.port.previous_specs
        return self.refused is not None and not perhaps

    @property
    def footprint(self) -> frozenset[Key]:
        """What was this port's for all that is known, or still is."""
        return self.held.union(resource.key for resource in self.restores)

    @property
    def was_well(self) -> bool:
        """Was it ready as it is wanted now? Then what differs was changed by others."""
        return self.port.ready_at is not None and not self.progress.renewed

    @property
    def waits(self) -> bool:
        """Have others yet to do something for it? Safe on any thread."""
        return self.progress.waiting_since is not None

    @property
    def needs_ovsdb(self) -> bool:
        """Must Open vSwitch be asked, for what it wants or still has?"""
        resources = (*self.wanted, *self.restores)
        spaces = {*(r.space for r in resources), *(key.space for key in self.held)}
        return not spaces.isdisjoint(OVS_SPACES)

    @property
    def failed_permanently(self) -> bool:
        """Did the host refuse it for good? Then its own undoing must not wake us to try again."""
        problem = self.port.problem
        return self.port.state == ERROR and bool(problem and problem.code in _UNDONE)
