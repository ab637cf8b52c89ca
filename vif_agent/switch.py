"""What of Open vSwitch stands in a port's way: rows that serve somebody else. Pure."""

from vif_agent.errors import Conflict, Problem
from vif_agent.ownership import Found
from vif_agent.resources import OvsPort
from vif_agent.steps import Actual, Want


def refusal(want: Want, actual: Actual) -> Problem | None:
    found = actual.found.get(want.resource.key)
    if isinstance(want.resource, OvsPort) and found:
        return _other_type(want.resource, found)
    return None


def _other_type(port: OvsPort, found: Found) -> Problem | None:
    """A row of this port that we have not made, and that is no way into a guest: Neutron's own
    ports (DHCP's) are ``internal``, and their devices in a namespace."""
    actual = found.resource
    if found.stamp is not None or not isinstance(actual, OvsPort):
        return None
    have, want = _type(actual), _type(port)
    if have == want:
        return None
    text = f"{port.name} exists, is an OVS port of type {have} and not {want}: not a guest's"
    return Conflict(text).problem


def _type(port: OvsPort) -> str:
    """As far as two types are not one thing made in two ways."""
    said = port.interface_type or "system"
    return "dpdkvhostuser" if said == "dpdkvhostuserclient" else said
