"""What no port wants any longer, and which of it may go now. Pure."""

from collections.abc import Collection, Iterator, Mapping

from vif_agent.errors import NotYet, Problem
from vif_agent.ownership import SHARED, Found, in_bridge, is_of_another_kind, keeps_addresses
from vif_agent.plan.steps import CHANGE, OWNER_TAG, REMOVE, Actual, Difference, Step
from vif_agent.resources import GUARD, LINK, Key, Nic

ToDelete = Mapping[Key, Collection[str]]


def removals(
    to_delete: ToDelete,
    actual: Actual,
    moving: Mapping[str, Step],
    undone: Collection[str],
    wanting: Mapping[str, Collection[Key]],
) -> tuple[Step, ...]:
    """Steps for what is there, is tagged with one of its owners, and no port wants.

    A shared thing stays while anything is in it that neither goes nor moves in this same plan, or
    while it has addresses of the host's. Nothing of a port goes while part of it cannot be seen:
    its OVS row must go before its devices; nor while its commands are being ``undone``; nor what
    a guest holds open of a port that is still ``wanting`` something: by port, what that is. A guard
    stays while its device is in a bridge that its port wants no longer: one that is wanted without
    a guard is let go at once.
    """
    blind = {
        who for key, owners in to_delete.items() if key.space in actual.unknown for who in owners
    } | {*undone}
    going = {
        key: found
        for key, found in _there(to_delete, actual, blind - {SHARED})
        if not (found.tag_lost or _is_held(found, wanting))
    }
    leaving = {*moving, *(key.name for key in going if key.space != GUARD)}
    nics = {name for name, step in moving.items() if isinstance(step.resource, Nic)}
    return tuple(
        Step(REMOVE, found.resource, str(found.owner), found=found)
        for found in going.values()
        if _may_go(found, leaving, nics) and not _guards(found, actual, leaving, wanting)
    )


def _may_go(found: Found, leaving: Collection[str], nics: Collection[str]) -> bool:
    is_empty = found.members.issubset(leaving) and not keeps_addresses(found, nics)
    return found.owner != SHARED or is_empty


def _guards(
    found: Found,
    actual: Actual,
    leaving: Collection[str],
    wanting: Mapping[str, Collection[Key]],
) -> bool:
    """Is it the guard of what others have made, and not taken away yet, or to where it belongs?"""
    name = found.resource.name
    if found.resource.space != GUARD or name in leaving:
        return False
    bridge = in_bridge(actual.found.get(Key(LINK, name)))
    return bool(bridge) and Key(LINK, bridge) not in wanting.get(str(found.owner), ())


def tagged_first(to_delete: ToDelete, actual: Actual) -> Iterator[Step]:
    """Only what carries our owner tag is ever removed: it gets it back, and goes at the next
    reconcile."""
    for _, found in _there(to_delete, actual):
        if found.tag_lost:
            owner = str(found.owner)
            ports = () if owner == SHARED else (owner,)
            difference = Difference(OWNER_TAG, None, owner)
            yield Step(CHANGE, found.resource, owner, ports, (difference,), found)


def held_open(to_delete: ToDelete, actual: Actual, wanting: Collection[str]) -> dict[str, Problem]:
    """Ports that are wanted, and whose guest has something of theirs open that is to go."""
    return {
        str(found.owner): NotYet(
            f"{found.resource.name} is held open by a guest, and goes when that lets go of it"
        ).problem
        for _, found in _there(to_delete, actual)
        if _is_held(found, wanting)
    }


def _there(
    to_delete: ToDelete, actual: Actual, blind: Collection[str] = ()
) -> Iterator[tuple[Key, Found]]:
    for key, owners in sorted(to_delete.items()):
        found = actual.found.get(key)
        if (
            found
            and found.owner in owners
            and found.owner not in blind
            and not is_of_another_kind(found)
        ):
            yield key, found


def _is_held(found: Found, wanting: Collection[str]) -> bool:
    return found.held and found.owner in wanting
