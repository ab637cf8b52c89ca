"""What it takes to have the files in place, and to have them gone."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from vif_agent.cmd.setup import host, steps
from vif_agent.cmd.setup import record as records
from vif_agent.cmd.setup.comparison import Comparison, compare, gone
from vif_agent.cmd.setup.place import ACCOUNT, ROOT, Place, socket_group
from vif_agent.cmd.setup.record import Record
from vif_agent.cmd.setup.steps import Lay, Prune, Remember, Step, Take
from vif_agent.cmd.setup.things import Thing, is_operators


@dataclasses.dataclass(frozen=True)
class Plan:
    """``stay``: as others have changed them. ``foreign``: in the way, so nothing is done."""

    steps: Sequence[Step]
    stay: Sequence[Path] = ()
    foreign: Sequence[Path] = ()


def into_package(place: Place, things: Sequence[Thing]) -> Plan:
    """The packager's tools keep the record there, and make the account."""
    found = compare(things, Record(), place.on_disk)
    return Plan([Lay(each, place.on_disk(each.path)) for each in found.to_lay], (), found.foreign)


def install(place: Place, things: Sequence[Thing]) -> Plan:
    """In place, and of no older version."""
    old = records.read(place.record)
    found = compare(things, old, place.on_disk)
    # An Open vSwitch that starts meanwhile shall find the account, which its drop-in names.
    accounts = [each for each in found.to_lay if host.is_account(each.path)]
    configuration = [each for each in found.to_lay if is_operators(each.path)]
    others = [each for each in found.to_lay if each not in (*accounts, *configuration)]
    todo: list[Step] = [
        *(Lay(each, each.path) for each in accounts),
        *host.account(things),
        *(Lay(each, each.path) for each in others),
        *map(Take, found.to_take),
        *(Lay(each, each.path, ACCOUNT) for each in configuration),
    ]
    todo = [
        *_remembering(place, old, _record(place, old, found), todo),
        *host.reread(todo),
        *host.socket_to(ACCOUNT, [each.path for each in things], socket_group()),
    ]
    return Plan(todo, found.stay, found.foreign)


def _record(place: Place, old: Record, found: Comparison) -> Record:
    paths = [place.record, *(each.path for each in found.to_lay)]
    return Record(found.marks, old.directories | steps.missing_parents(paths))


def _remembering(place: Place, old: Record, new: Record, todo: list[Step]) -> list[Step]:
    if not todo and old == new:
        return []
    before = Remember(place.record, records.both(old, new).text())
    return [before, *todo, Remember(place.record, new.text())]


def remove(place: Place, purge: bool) -> Plan:
    """``purge``: configuration, state and account as well."""
    old = records.read(place.record)
    to_take, stay = gone(old, old.marks)
    todo: list[Step] = []
    if old.marks:
        todo += [*host.stop(), *map(Take, to_take)]
        todo += [*host.reread(todo), *host.socket_to(ROOT, [*old.marks], socket_group())]
        todo += [Prune(old.directories), Take(place.record)]
    if purge:
        todo += host.purge()
    return Plan(todo, stay)
