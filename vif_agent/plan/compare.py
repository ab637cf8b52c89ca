"""How what is there differs from what is wanted, field by field. Pure."""

from vif_agent.ownership import Found
from vif_agent.plan.steps import Difference
from vif_agent.resources import Resource


def differences(wanted: Resource, found: Found) -> tuple[Difference, ...]:
    """In the fields that are ours to judge."""
    actual = found.resource
    if wanted.kind != actual.kind and not wanted.external:
        return (Difference("kind", actual.kind, wanted.kind),)
    return tuple(
        Difference(field, have, want)
        for field, want in wanted.specified().items()
        if field not in found.others
        and not _same(field in wanted.maps, want, have := getattr(actual, field))
    )


def another(wanted: Resource, found: Found) -> str:
    """How it is not the thing of this name that was meant; "" if it is."""
    return ", ".join(str(d) for d in differences(wanted, found) if d.field in wanted.identity)


def must_remake(wanted: Resource, found: Found) -> bool:
    """Does it differ in what cannot be changed on a living object?"""
    if wanted.external:
        return False
    if wanted.kind != found.resource.kind:
        return True
    return any(d.field in wanted.immutable for d in differences(wanted, found))


def _same(is_map: bool, want: object, have: object) -> bool:
    if not is_map:
        return want == have or (want is False and have is None)  # what is not shown is off
    return set(want or ()) <= set(have or ())  # type: ignore[call-overload, no-any-return]
