"""While a plugin in another process has not answered, its port keeps what it has, and nothing is
told of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.rig import PLUGINS, Rig
from vif_agent.errors import PluginResting, Unanswered
from vif_agent.plugins.base import Plugin
from vif_agent.plugins.bridge import BridgePlugin
from vif_agent.plugins.tap import TapPlugin
from vif_agent.ports.port import PLUG, READY, UNPLUG, UNPLUGGED
from vif_agent.resources import LINK, Key, OtherLink, Resource
from vif_agent.vif import Vif

Payload = Callable[[str], dict[str, Any]]


class Later:
    """Answers only when it is ``awake``."""

    def __init__(self) -> None:
        self.awake = True
        self.resting = False
        self.tap: Plugin = TapPlugin()

    def resources(self, vif: Vif) -> Sequence[Resource]:
        if not self.awake:
            raise PluginResting("not yet") if self.resting else Unanswered("not yet")
        return self.tap.resources(vif) if vif.vif_type == "tap" else PLUGINS.resources(vif)


@pytest.fixture
def later() -> Later:
    return Later()


@pytest.fixture
def rig(tmp_path: Path, later: Later) -> Iterator[Rig]:
    rig = Rig(tmp_path, later)
    yield rig
    rig.store.close()


@pytest.mark.parametrize("everywhere", [False, True])
def test_port_waits_in_silence_and_goes_on_when_there_is_an_answer(
    rig: Rig, later: Later, payload: Payload, everywhere: bool
) -> None:
    later.awake, vif = False, payload("ovs_hybrid")
    port_id = rig.request(PLUG, vif)
    outcome = rig.engine.reconcile([port_id], everywhere=everywhere)
    assert (outcome.finished, outcome.again, outcome.retry) == ((), frozenset(), frozenset())
    assert outcome.waiting == {port_id: frozenset()}
    assert rig.new_plans() == 0
    later.awake = True
    rig.settle(port_id)
    assert rig.stored(vif).state == READY


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("everywhere", [False, True])
def test_what_is_plugged_stays_while_the_plugin_thinks(
    rig: Rig, later: Later, payload: Payload, restart: bool, everywhere: bool
) -> None:
    vif = payload("ovs_hybrid")
    assert rig.plug(vif).state == READY
    made = rig.made()
    later.awake = False
    if restart:
        rig.restart()
    port_id = rig.request(PLUG, {**vif, "details": {**vif["details"], "ovs_hybrid_plug": False}})
    rig.engine.reconcile([port_id], everywhere=everywhere)
    rig.engine.reconcile([], everywhere=everywhere)
    assert rig.made() == made
    later.awake = True
    rig.settle(port_id)
    assert rig.made() == {Key("ovs-port", vif["devname"])}


def test_unplug_waits_for_what_the_port_had_external(
    rig: Rig, later: Later, payload: Payload
) -> None:
    """Only the plugin can say how it is restored, in a process that has not asked it before."""
    vif, later.tap = payload("tap"), TapPlugin(BridgePlugin())
    rig.host.add_link(OtherLink(name=vif["devname"]))
    assert rig.plug(vif).state == READY
    made = rig.made()
    later.awake = False
    rig.restart()
    rig.engine.reconcile([rig.request(UNPLUG, vif)])
    assert rig.made() == made
    later.awake = True
    rig.settle(vif["id"])
    assert rig.stored(vif).state == UNPLUGGED
    assert rig.made() == {Key(LINK, vif["devname"])}
    device = rig.host.snapshot()[Key(LINK, vif["devname"])]
    assert not getattr(device.resource, "master", None)


@pytest.mark.parametrize("resting", [False, True])
def test_unplug_of_what_was_never_answered_waits_for_nobody(
    rig: Rig, later: Later, payload: Payload, resting: bool
) -> None:
    """A plugin that hangs is asked once a rest: many such ports would take hours to go."""
    vif, later.tap = payload("tap"), TapPlugin(BridgePlugin())
    rig.host.add_link(OtherLink(name=vif["devname"]))
    later.awake, later.resting = False, resting
    rig.engine.reconcile([rig.request(PLUG, vif)])
    rig.engine.reconcile([rig.request(PLUG, {**vif, "active": not vif["active"]})])
    rig.settle(rig.request(UNPLUG, vif))
    assert rig.stored(vif).state == UNPLUGGED


def test_what_an_earlier_process_may_have_external_is_asked_for(
    rig: Rig, later: Later, payload: Payload
) -> None:
    vif, later.tap = payload("tap"), TapPlugin(BridgePlugin())
    rig.host.add_link(OtherLink(name=vif["devname"]))
    later.awake = False
    rig.engine.reconcile([rig.request(PLUG, vif)])
    rig.restart()
    rig.settle(vif["id"])
    rig.settle(rig.request(UNPLUG, vif))
    assert rig.stored(vif).state != UNPLUGGED
    later.awake = True
    rig.settle(vif["id"])
    assert rig.stored(vif).state == UNPLUGGED
