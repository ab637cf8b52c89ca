"""How the agent is: part by part, since when and why not; and what follows for the whole.

Who asks must get his answer also of an agent that hangs. So each part tells of itself without any
lock that the work waits for, from what it has noted anyway.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

HEALTHY, DEGRADED, DOWN = "healthy", "degraded", "down"

#: without these nothing goes on, and only a new start helps
VITAL = ("loop", "threads", "helper", "agent")
#: and without these it takes no requests
_NEEDED = (*VITAL, "bus", "casts")


class Sign(NamedTuple):
    """What a part says of itself. ``ok`` None: there is none here, and none is missed.

    ``since``: time.time of the last change, where the part has noted it.
    """

    ok: bool | None
    why: str = ""
    since: float | None = None


WELL = Sign(True)

Probe: TypeAlias = Callable[[], Sign]


def sign(trouble: str) -> Sign:
    """An empty text says that all is well."""
    return Sign(not trouble, trouble)


@dataclass(frozen=True, slots=True)
class Part:
    """``since``: time.time, when ``ok`` became what it is, as far as was seen."""

    ok: bool | None
    why: str
    since: float


class Health:
    """Safe to ask from any thread. What changes between two looks is dated by the second."""

    def __init__(self, probes: Mapping[str, Probe], clock: Callable[[], float] = time.time) -> None:
        self._probes = probes
        self._clock = clock
        self._seen: dict[str, Part] = {}

    def look(self) -> dict[str, Part]:
        """All parts, as they are now."""
        self._seen = {name: self._part(name, probe) for name, probe in self._probes.items()}
        return self._seen

    def _part(self, name: str, probe: Probe) -> Part:
        try:
            ok, why, since = probe()
        except Exception as error:  # it reads what other threads change just now
            ok, why, since = False, f"cannot be told: {error!r:.200}", None
        before = self._seen.get(name)
        same = before is not None and before.ok is ok
        return Part(ok, why, since or (before.since if before and same else self._clock()))


def verdict(parts: Mapping[str, Part]) -> tuple[str, str]:
    """In one word, and why."""
    sick = {name: part.why for name, part in parts.items() if part.ok is False}
    state = DOWN if any(name in sick for name in VITAL) else DEGRADED if sick else HEALTHY
    names = {why: ", ".join(n for n, each in sick.items() if each == why) for why in sick.values()}
    return state, "; ".join(f"{name}: {why}" for why, name in names.items())


def lives(parts: Mapping[str, Part]) -> bool:
    """Or does only a new start help?"""
    return all(parts[name].ok for name in VITAL if name in parts)


def takes_requests(parts: Mapping[str, Part]) -> bool:
    """Are casts read and stored now, and carried out as far as the host lets us?"""
    return all(parts[name].ok for name in _NEEDED if name in parts)


def view(parts: Mapping[str, Part], iso: Callable[[float], Any]) -> dict[str, Any]:
    """As the bus tells it."""
    state, why = verdict(parts)
    return {
        "state": state,
        "why": why or None,
        "parts": {
            name: {"ok": part.ok, "since": iso(part.since), "why": part.why or None}
            for name, part in parts.items()
        },
    }
