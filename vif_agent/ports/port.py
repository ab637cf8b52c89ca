"""A port's request, and what became of it: values that the store keeps and everybody reads."""

import dataclasses
import json
import time

from vif_agent.errors import Problem
from vif_agent.resources import Key
from vif_agent.vif import Vif

PLUG, UNPLUG = "plug", "unplug"

PENDING, READY, RETRYING, ERROR, UNPLUGGED = "pending", "ready", "retrying", "error", "unplugged"

#: a generation older than any sender's: such a request counts only for a port that is not known
OLDEST = -1


#: how far a sender's clock may be ahead of this host's
_AHEAD_SECONDS = 60


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PortRequest:
    """What was asked for one port. ``generation`` None: the sender gave none.

    ``source``: the bus, empty, or who signs its requests there, or the file that asks.
    ``parsed``: the VIF, as it was read.
    """

    port_id: str
    verb: str
    instance: object = None
    vif: object = None
    vif_type: str = ""
    generation: int | None = None
    request_id: str = ""
    received_at: float = dataclasses.field(default_factory=time.time)
    message_id: str | None = None
    source: str = ""
    parsed: Vif | None = dataclasses.field(default=None, compare=False, repr=False)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FullSet:
    """The ports of this host: a plug for each that is not plugged just so.

    A plug without an instance keeps the stored one. ``deletes``: and an unplug for each plugged
    port of the same ``source`` that is not ``named`` here. A port with a later generation than
    the set's is newer than the set, and is left as it is.
    """

    plugs: tuple[PortRequest, ...]
    named: frozenset[str]
    deletes: bool = False
    generation: int | None = None
    request_id: str = ""
    received_at: float = dataclasses.field(default_factory=time.time)
    message_id: str | None = None
    source: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Spec:
    """What was asked for a port, as JSON: a fifth of the memory of its values.

    They are wanted only when the plugin is asked, or when something else is asked for the port.
    """

    instance: str
    vif: str

    @classmethod
    def of(cls, instance: object, vif: object) -> "Spec":
        """Of values as they were sent."""
        return cls(json.dumps(instance), json.dumps(vif))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A port's request as stored, and what became of it.

    ``previous_specs``: its earlier plugs, (instance, vif), that are not undone yet, oldest first;
    ``made``: keys on the host that are, or may be, this port's; ``devices``: their names as shown
    to operators; ``ready_at``: when it first was, under this request; ``elapsed_ms``: from receipt
    to done, or of a repair (``repaired``: of what; not stored); ``rebooted``: the host was, since
    ``made`` was stored; ``recent_generations``: the generations of its last requests; ``parsed``:
    the VIF, as the bus has read it, until there is a result (not stored).
    """

    port_id: str
    seq: int
    since: int
    verb: str
    generation: int
    spec: Spec
    vif_type: str
    request_id: str
    received_at: float
    state: str
    problem: Problem | None = None
    devices: tuple[str, ...] = ()
    made: frozenset[Key] = frozenset()
    done_at: float | None = None
    ready_at: float | None = None
    repaired: str = ""
    elapsed_ms: float | None = None
    previous_specs: tuple[tuple[object, object], ...] = ()
    source: str = ""
    rebooted: bool = False
    recent_generations: tuple[int, ...] = ()
    parsed: Vif | None = dataclasses.field(default=None, compare=False, repr=False)

    @property
    def instance(self) -> object:
        """As it was sent; read anew each time."""
        return json.loads(self.spec.instance)

    @property
    def vif(self) -> object:
        """As it was sent; read anew each time."""
        return json.loads(self.spec.vif)

    def with_result(self, result: "Port") -> "Port":
        """The same request with what became of it; of an older one only what is on the host."""
        if result.seq != self.seq:
            return self.with_made(result.made)
        known = dataclasses.replace(
            self,
            state=result.state,
            problem=result.problem,
            devices=result.devices,
            made=result.made,
            done_at=result.done_at,
            ready_at=result.ready_at,
            elapsed_ms=result.elapsed_ms,
            previous_specs=self.previous_specs if result.problem else (),
            rebooted=False,
            parsed=None,
        )
        return result if known == result else known  # of two thousand there is one of each, then

    def with_made(self, made: frozenset[Key]) -> "Port":
        """Of vendors' programs: which have been run for it, in this boot."""
        return dataclasses.replace(self, made=made, rebooted=False)


def counts(new: int, stored: int, now: float) -> bool:
    """Is a request of generation ``new`` none of before the stored one? ``now``: this host's clock.

    Generations are mostly a sender's clock in nanoseconds. One that was far ahead must not lock the
    port until the time that it gave.
    """
    latest = int((now + _AHEAD_SECONDS) * 1e9)
    return new >= stored or new <= latest < stored
