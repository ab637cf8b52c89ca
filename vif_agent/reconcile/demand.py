"""What some ports ask of the host together: what is wanted, what is restored, what may go."""

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence

from vif_agent.ownership import SHARED
from vif_agent.plan.steps import Actual, Plan, Want
from vif_agent.reconcile.records import PortRecords
from vif_agent.resources import GUARD, Key, OvsPort, Resource, Vf


def wanted(records: PortRecords, ids: Iterable[str]) -> dict[str, Sequence[Resource]]:
    """What these ports want, and what others want of the same things, by right.

    Of the others two will do: the first keeps a name that both want, the last that was asked for
    says how a shared thing is. (A thousand ports share one integration bridge.) What these ports no
    longer share counts too: one of them may have been the last. And a VF that they have left to
    another goes on to it as it is.
    """
    own = set(ids)
    keys = {r.key for i in own for r in records[i].wanted}
    released = {key for i in own for key in records[i].footprint} - keys
    sharing = own.union(*(records.claims.first_and_last(key) for key in keys | released))
    return {
        port_id: records[port_id].wanted
        if port_id in own
        else [r for r in records[port_id].wanted if _concerns(r, keys, released)]
        for port_id in records.claims.by_right(sharing)
    }


def _concerns(resource: Resource, keys: Collection[Key], released: Collection[Key]) -> bool:
    passes_on = resource.shared or isinstance(resource, Vf)
    return resource.key in keys or (passes_on and resource.key in released)


def restored(
    records: PortRecords, ids: Iterable[str], wanted: Collection[Key]
) -> dict[Key, list[Want]]:
    """What these ports have changed of others' for earlier requests, and how; ``wanted``: is looked
    at too. What other ports claim stays as it is.
    """
    ways: dict[Resource, dict[str, None]] = {}
    for port_id in ids:
        for resource in records[port_id].restores:
            if resource.key in wanted or not records.claims.claimed(resource.key):
                ways.setdefault(resource, {})[port_id] = None
    restores: dict[Key, list[Want]] = {}
    for resource, ports in ways.items():
        restores.setdefault(resource.key, []).append(Want(resource, tuple(ports), restore=True))
    return restores


def to_delete(records: PortRecords, ids: Iterable[str]) -> dict[Key, frozenset[str]]:
    """What these ports held and claim no longer, with whom its owner tag may name."""
    holders: dict[Key, set[str]] = {key: {SHARED} for key in records.pending_deletes}
    for port_id in ids:
        for key in records[port_id].held - records.claims.of(port_id):
            holders.setdefault(key, {SHARED}).add(port_id)
    owners = {key: _former_owners(records, key, who) for key, who in holders.items()}
    return {key: gone for key, gone in owners.items() if gone}


def unfinished(records: PortRecords, ids: Iterable[str]) -> set[Key]:
    """What was made for these ports by their present requests, of which nobody has heard yet that
    they are done."""
    return {key for port_id in ids for key in records[port_id].created_since_ready}


def _former_owners(records: PortRecords, key: Key, holders: set[str]) -> frozenset[str]:
    """A name of one port's own that another claims is kept from it by what still bears it."""
    if not records.claims.claimed(key):
        return frozenset(holders)
    claimants = (records[port_id] for port_id in records.claims.claimants(key))
    shared = any(r.shared for record in claimants for r in record.wanted if r.key == key)
    return frozenset() if shared else frozenset(holders - {SHARED})


def with_former_owners(
    records: PortRecords, to_delete: Mapping[Key, Collection[str]], actual: Actual
) -> Actual:
    """The table of guards is ours alone: one that others have taken the owner tag from, and nobody
    claims, is the port's that has had it."""
    found = {
        key: dataclasses.replace(actual.found[key], owner=min(ports))
        for key, owners in to_delete.items()
        if key.space == GUARD and key in actual.found and not records.claims.claimed(key)
        if actual.found[key].owner is None and (ports := {*owners} - {SHARED})
    }
    return dataclasses.replace(actual, found={**actual.found, **found}) if found else actual


def adopt_by_owner_tag(records: PortRecords, actual: Actual) -> None:
    """Read off the tags what belongs to which port: the memory that outlives a crash."""
    for key, found in actual.found.items():
        if found.owner == SHARED and not records.claims.claimed(key):
            records.pending_deletes.add(key)
        elif found.owner and found.owner in records:
            records.hold(found.owner, {key})


def keep_pending_deletes(
    records: PortRecords,
    to_delete: Iterable[Key],
    plan: Plan,
    actual: Actual,
    failures: Collection[Key],
) -> None:
    """Shared things that had to stay because something was in them: looked at again later."""
    gone = {step.key for step in plan.delete + plan.connect} - set(failures)
    records.pending_deletes = {
        key
        for key in to_delete
        if key in actual.found and actual.found[key].owner == SHARED and key not in gone
    }


def bridges(records: PortRecords) -> set[str]:
    """The OVS bridges that ports want to be on."""
    return {r.bridge for record in records for r in record.wanted if isinstance(r, OvsPort)}
