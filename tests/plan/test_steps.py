"""In which order a plan goes about a port with a command and an OVS port."""

from __future__ import annotations

import pytest

from vif_agent.ownership import Found
from vif_agent.plan import steps
from vif_agent.plan.diff import diff
from vif_agent.plan.steps import REMOVE, Actual, Plan, Step, Want
from vif_agent.resources import Command, Device, Key, OvsPort, Resource, Tap

PORT = "5843eca1-e1fe-5bb2-a9c2-8f97bae40c4e"
TAP = Tap(name="tap-a")
ROW = OvsPort(name="tap-a", bridge="br-int")
TELLS = Command(plug=("tell", "on"), unplug=("tell", "off"), about="tap-a")
MAKES = Command(plug=("make", "it"), unplug=("unmake", "it"), about="tap-a", makes=True)
LENT = Device(name="tap-a")


def _unplug(command: Command, *, running: bool = False) -> Plan:
    """Of a port of which all is there."""
    undone = command.restored()
    assert undone
    found: dict[Key, Found] = {r.key: Found(r, owner=PORT, index=7) for r in (TAP, ROW)}
    found[undone.key] = Found(command, ready=not running)
    wanted = {undone.key: Want(undone, (PORT,), restore=True)}
    return diff(wanted, {TAP.key: {PORT}, ROW.key: {PORT}}, Actual(found))


def _plug(*wanted: Resource) -> Plan:
    """On an empty host."""
    wants = {r.key: Want(r, (PORT,)) for r in wanted}
    undone = [r for r in wanted if isinstance(r, Command)]
    return diff(wants, {}, Actual({r.key: Found(r.restored() or r) for r in undone}))


def _names(reported: list[Step]) -> list[str]:
    return [str(step) for step in reported]


def test_plug_tells_when_all_is_there() -> None:
    assert _plug(TAP, ROW, TELLS).render().splitlines() == [
        "create: make tun tap-a", "connect: make ovs-port tap-a", "connect: run tell on",
    ]  # fmt: skip


def test_plug_makes_before_all_else() -> None:
    assert _plug(MAKES, LENT, ROW).render() == "create: run make it"


def test_unplug_tells_before_anything_goes() -> None:
    plan = _unplug(TELLS)
    assert plan.render().splitlines() == [
        "connect: run tell off", "connect: remove ovs-port tap-a", "delete: remove tun tap-a",
    ]  # fmt: skip
    assert steps.connect_steps(plan, ()) == steps.delete_steps(plan, ()) == []
    assert _names(steps.run_steps(plan, ())) == ["run tell off"]


def test_unplug_unmakes_when_all_else_has_gone() -> None:
    plan = _unplug(MAKES)
    assert [step.verb for step in plan] == [REMOVE, REMOVE, "run"]
    assert _names(steps.connect_steps(plan, ())) == ["remove ovs-port tap-a"]
    assert steps.run_steps(plan, ()) == []


def test_nothing_goes_while_it_is_being_told() -> None:
    assert _unplug(TELLS, running=True) == Plan()


@pytest.mark.parametrize("failed", [TAP, ROW])
def test_nobody_is_told_of_what_failed(failed: Resource) -> None:
    assert steps.run_steps(_plug(TAP, ROW, TELLS), {failed.key}) == []
