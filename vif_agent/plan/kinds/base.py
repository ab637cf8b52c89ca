"""What holds for a resource of any kind. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from vif_agent.errors import Conflict, Problem
from vif_agent.ownership import Found, Verdict, is_of_another_kind, verdict
from vif_agent.plan.compare import another, differences, must_remake
from vif_agent.plan.restore import is_in_effect
from vif_agent.plan.steps import CHANGE, MAKE, OWNER_TAG, REMAKE, Actual, Difference, Step, Want
from vif_agent.resources import Key, Resource


class Case(NamedTuple):
    """A want, what is there of it, its device, and all else that is wanted and there."""

    want: Want
    found: Found | None
    device: Key | None
    wanted: Mapping[Key, Want]
    actual: Actual


class Kind:
    """A kind's own rules are the methods that it puts in the place of these."""

    def device(self, resource: Resource) -> Key | None:
        """The kernel device that becomes this, or that this is about."""
        return None

    def makes_its_device(self, resource: Resource) -> bool:
        """Is the device there only when this is done?"""
        return False

    def reads(self, want: Want) -> Iterator[Key]:
        """What must be known besides the resource itself and its device."""
        return iter(())

    def clashes(self, before: Resource, resource: Resource) -> bool:
        """May not both be wanted, by two ports?"""
        return not (before.kind == resource.kind and before.shared and resource.shared)

    def first_says(self, resource: Resource) -> bool:
        """Of the ports that share it, does the first say how it is? Else the last does."""
        return False

    def bridge_datapath(self, resource: Resource, resources: Sequence[Resource]) -> str:
        """What the request says of the bridge that this is in; "" for nothing."""
        return ""

    def conflict(self, case: Case) -> Problem | None:
        """What stands in the way of making what is there into what is wanted."""
        reason = self._reason(case)
        return Conflict(reason).problem if reason else None

    def waits(self, case: Case) -> bool:
        """For others to make something first."""
        return False

    def step(self, case: Case, new_device: bool) -> Step | None:
        """What is to be done; ``new_device``: its device is made, or made anew, before it."""
        want, found = case.want, case.found
        if found is None:
            made = Step(MAKE, want.resource, want.owner, want.ports)
            return None if want.resource.external else made
        if not is_in_effect(want, found):
            return None
        return self._change(want, found, new_device)

    def as_it_stays(self, wanted: Resource, found: Found) -> Resource:
        """Without what is left as it is on a thing that is there."""
        return wanted

    def _reason(self, case: Case) -> str:
        """Why there is a conflict; "" if there is none."""
        wanted, found = case.want.resource, case.found
        if found is None:
            return ""
        foreign = verdict(wanted, found, case.want.owner) is Verdict.FOREIGN
        if foreign and (reason := _foreign(wanted, found)):
            return reason
        if found.held and must_remake(wanted, found):
            reasons = ", ".join(map(str, differences(wanted, found)))
            return f"{wanted.name} is held open by a guest and differs: {reasons}"
        return ""

    def _change(self, want: Want, found: Found, new_device: bool) -> Step | None:
        wanted = self.as_it_stays(want.resource, found)
        judgement = verdict(wanted, found, want.owner)
        if judgement is Verdict.FOREIGN:
            return None  # shared and there before us: used as it is
        changes = differences(wanted, found)
        if want.restore:  # what cannot be read cannot have been changed
            changes = tuple(d for d in changes if d.actual is not None)
        if found.called:
            changes = (Difference("name", found.called, wanted.name), *changes)
        if judgement is Verdict.ADOPTABLE or found.tag_lost:
            changes = (*changes, Difference(OWNER_TAG, None, want.owner))
        if new_device:
            changes = (*changes, *self._with_new_device())
        if not changes:
            return None
        verb = REMAKE if must_remake(wanted, found) else CHANGE
        return Step(verb, wanted, want.owner, want.ports, changes, found)

    def _with_new_device(self) -> tuple[Difference, ...]:
        return ()


def _foreign(wanted: Resource, found: Found) -> str:
    """What several may share is used as it is, if it is what was meant."""
    if wanted.shared and wanted.kind == found.resource.kind:
        other = another(wanted, found)
        return f"{wanted.name} exists, is not ours and differs: {other}" if other else ""
    theirs = found.owner is None or is_of_another_kind(found)
    whose = "is not ours" if theirs else f"belongs to {found.owner}"
    return f"{wanted.name} exists, is a {described(found.resource)} and {whose}"


def described(resource: Resource) -> str:
    """What kind of thing it is, as well as that is known."""
    return getattr(resource, "described", "") or resource.kind
