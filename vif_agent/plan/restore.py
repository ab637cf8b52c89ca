"""How external things are restored that ports have used for earlier requests. Pure."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from vif_agent.ownership import Found
from vif_agent.plan.steps import Actual, Want
from vif_agent.resources import Key, Nic, Vf


def with_restores(
    wanted: Mapping[Key, Want], restores: Mapping[Key, Sequence[Want]], actual: Actual
) -> dict[Key, Want]:
    """``wanted``, and what is to be restored.

    ``restores``: how to restore each thing, once for each earlier request that changed it. Not all
    are in effect: of the requests that followed one another some were never carried out.
    """
    joined = dict(wanted)
    for key, ways in restores.items():
        found = actual.found.get(key)
        way = _at_once([way for way in ways if found and is_in_effect(way, found)] or ways[-1:])
        if key not in wanted:
            joined[key] = way
        elif found and is_in_effect(way, found) and _comes_first(way, wanted[key]):
            joined[key] = dataclasses.replace(way, ports=_ports(way, wanted[key]))
        else:
            joined[key] = _with_resets(wanted[key], ways)
    return joined


def is_in_effect(want: Want, found: Found) -> bool:
    """Is it still ours to change? What is to be restored may be somebody else's by now."""
    if want.restore and found.owner is not None:
        return False
    facts = {"in_shared": found.in_shared}
    return all(
        facts.get(field, getattr(found.resource, field, None)) == value
        for field, value in want.resource.only_if
    )


def _at_once(ways: Sequence[Want]) -> Want:
    """All that they say; where they differ, the last one's."""
    fields: dict[str, Any] = {k: v for way in ways for k, v in way.resource.specified().items()}
    resource = dataclasses.replace(ways[-1].resource, **fields)
    return dataclasses.replace(ways[-1], resource=resource, ports=_ports(*ways))


def _ports(*wants: Want) -> tuple[str, ...]:
    return tuple(dict.fromkeys(port for want in wants for port in want.ports))


def _comes_first(way: Want, want: Want) -> bool:
    """A NIC comes out of its bridge with its addresses before it serves for anything else."""
    return isinstance(way.resource, Nic) and not isinstance(want.resource, Nic)


def _with_resets(want: Want, ways: Sequence[Want]) -> Want:
    """What an earlier request set on the card, and this one does not set, is reset."""
    if not isinstance(want.resource, Vf):
        return want
    fields: dict[str, Any] = {**_at_once(ways).resource.specified(), **want.resource.specified()}
    return dataclasses.replace(want, resource=dataclasses.replace(want.resource, **fields))
