"""Guards of ports. Pure."""

import dataclasses

from vif_agent.ownership import Found
from vif_agent.plan.kinds.base import Kind
from vif_agent.plan.steps import Difference, Step, Want


class Amended(Difference):
    """Of a field that holds several; prints what comes and what goes, for there may be hundreds."""

    def __str__(self) -> str:
        have, want = _items(self.actual), _items(self.wanted)
        parts = [(want - have, "added"), (have - want, "removed")]
        words = [f"{', '.join(sorted(items))} {what}" for items, what in parts if items]
        return f"{self.field} {'; '.join(words)}"


class GuardKind(Kind):
    """It is written and taken away by the kernel at one go, whether its device is there or not."""

    def _change(self, want: Want, found: Found, new_device: bool) -> Step | None:
        step = super()._change(want, found, new_device)
        if step is None:
            return None
        return dataclasses.replace(step, differences=tuple(map(_amended, step.differences)))


def _amended(difference: Difference) -> Difference:
    if not isinstance(difference.wanted, tuple):
        return difference
    return Amended(difference.field, difference.actual, difference.wanted)


def _items(value: object) -> set[str]:
    items = value if isinstance(value, tuple) else ()
    return {item if isinstance(item, str) else " ".join(item) for item in items}
