"""What is to lie on the host beside what lies there, and beside what we know that we laid."""

import dataclasses
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from vif_agent.cmd.setup.record import Record
from vif_agent.cmd.setup.things import Thing, is_operators, mark


@dataclasses.dataclass(frozen=True)
class Comparison:
    """``stay``: as their owners have changed them. ``foreign``: never were ours, and in the way.
    ``to_take``: ours, and no longer brought. ``marks``: of what is ours when all is done."""

    to_lay: list[Thing]
    to_take: list[Path]
    stay: list[Path]
    foreign: list[Path]
    marks: dict[Path, frozenset[str]]


def compare(things: Sequence[Thing], old: Record, on_disk: Callable[[Path], Path]) -> Comparison:
    """``on_disk``: where a path of the host lies just now."""
    found = Comparison([], [], [], [], {})
    for thing in things:
        _place(thing, mark(on_disk(thing.path)), old.ours(thing.path), found)
    brought = {thing.path for thing in things}
    to_take, stay = gone(old, [path for path in old.marks if path not in brought])
    return dataclasses.replace(found, to_take=to_take, stay=[*found.stay, *stay])


def gone(old: Record, paths: Collection[Path]) -> tuple[list[Path], list[Path]]:
    """Of these that are no longer wanted: what may be taken, and what has been changed since."""
    now = {path: mark(path) for path in sorted(paths) if not is_operators(path)}
    ours = [path for path, seen in now.items() if seen in old.ours(path)]
    return ours, [path for path, seen in now.items() if seen and path not in ours]


def _place(thing: Thing, now: str | None, ours: frozenset[str], found: Comparison) -> None:
    path, new = thing.path, frozenset({thing.mark})
    if now == thing.mark:
        if ours:  # what another has laid alike stays his
            found.marks[path] = new
    elif now is None or now in ours:
        found.to_lay.append(thing)
        found.marks[path] = new
    elif ours or is_operators(path):
        found.stay.append(path)
        if ours:
            found.marks[path] = ours
    else:
        found.foreign.append(path)
