"""How a wanted and an actual thing differ, and whether that takes making it anew. Pure."""

from vif_agent.ownership import (
    Found,
)
from vif_agent.plan.steps import (
    Difference,
)
from vif_agent.resources import (
    LINK,
    Command,
    Key,
    OvsBridge,
    OvsPort,
    Resource,
)


def must_remake(wanted: Resource, found: Found) -> bool:
    """Can the host not change it as it lives?"""
    if wanted.external:
        return False
    if wanted.kind != found.resource.kind:
        return True
    return any(d.field in wanted.immutable for d in differences_of(wanted, found))


def differences_of(wanted: Resource, found: Found) -> tuple[Difference, ...]:
    """Of the fields that are specified, those that the host has otherwise."""
    actual = found.resource
    if wanted.kind != actual.kind and not wanted.external:
        return (Difference("kind", actual.kind, wanted.kind),)
    return tuple(
        Difference(field, have, want)
        for field, want in wanted.specified().items()
        if field not in found.others
        and not _same(field in wanted.maps, want, have := getattr(actual, field))
    )


def _same(is_map: bool, want: object, have: object) -> bool:
    if not is_map:
        return want == have or (want is False and have is None)  # what is not shown is off
    return set(want or ()) <= set(have or ())  # type: ignore[call-overload, no-any-return]


def device_of(resource: Resource) -> Key | None:
    """The kernel device that becomes this OVS port or bridge, or that this command is about.

    None for a port OVS makes.
    """
    if isinstance(resource, Command):
        return Key(LINK, resource.about) if resource.about else None
    if isinstance(resource, OvsBridge) or (
        isinstance(resource, OvsPort) and not resource.interface_type
    ):
        return Key(LINK, resource.name)
    return None
