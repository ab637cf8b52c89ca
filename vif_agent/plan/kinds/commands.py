"""Vendors' commands: run once for a port, and undone once. Pure."""

from vif_agent.ownership import Found
from vif_agent.plan.kinds.base import Kind
from vif_agent.plan.steps import RUN, Difference, Step, Want
from vif_agent.resources import LINK, Command, Key, Resource


class CommandKind(Kind):
    """It is about a device, which must be there before it runs."""

    def device(self, resource: Resource) -> Key | None:
        """The one that it is about."""
        about = resource.about if isinstance(resource, Command) else ""
        return Key(LINK, about) if about else None

    def makes_its_device(self, resource: Resource) -> bool:
        """If its plugin says so."""
        return isinstance(resource, Command) and resource.makes

    def _change(self, want: Want, found: Found, new_device: bool) -> Step | None:
        """None also while it runs: its end is an event."""
        actual, wanted = getattr(found.resource, "done", None), getattr(want.resource, "done", None)
        if actual is not wanted:  # None, nobody knows, is neither
            difference = Difference("done", actual, wanted)
        elif new_device and not want.restore:
            difference = Difference("device", "gone", "made anew")
        else:
            return None
        if not found.ready:
            return None
        return Step(RUN, want.resource, want.owner, want.ports, (difference,), found)
