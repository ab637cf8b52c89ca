"""What of Open vSwitch stands in a port's way: tables."""

from __future__ import annotations

import pytest

from vif_agent.ownership import Found
from vif_agent.plan import Actual, diff, merge
from vif_agent.resources import OvsPort, Resource

PORT = "5843eca1-e1fe-5bb2-a9c2-8f97bae40c4e"
OTHER = "11111111-2222-4333-8444-555555555555"
IDS = (("iface-id", PORT),)


def refused(actual: dict[Resource, str | None], *wanted: Resource) -> str | None:
    """What the port is told where this is there, with these stamps."""
    found = {thing.key: Found(thing, stamp=stamp) for thing, stamp in actual.items()}
    plan = diff(merge({PORT: wanted})[0], {}, Actual(found))
    problem = plan.problems.get(PORT)
    assert problem is None or (problem.code, bool(plan)) == ("conflict", False)
    return problem.message if problem else None


@pytest.mark.parametrize(
    ("wanted", "actual", "stamp", "good"),
    [
        (None, "", None, True),
        (None, "system", None, True),
        (None, "internal", None, False),
        (None, "internal", PORT, True),  # somebody has changed it: changed back
        ("dpdk", "", None, False),
        ("dpdkvhostuser", "dpdkvhostuserclient", None, True),  # os-vif's, before qemu changed sides
        ("patch", "patch", None, True),
        ("patch", "internal", None, False),
    ],
)
def test_row_of_another_type(
    wanted: str | None, actual: str, stamp: str | None, good: bool
) -> None:
    name = "tap" + PORT[:11]
    row = OvsPort(name=name, bridge="br-int", interface_type=actual, external_ids=IDS)
    want = OvsPort(name=name, bridge="br-int", interface_type=wanted, external_ids=IDS)
    assert (refused({row: stamp}, want) is None) == good
