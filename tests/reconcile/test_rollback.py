"""A port that cannot be finished for good leaves nothing of the reconcile that tried."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.support.real_host import Ports, Vif, everything, ip, links
from tests.support.rig import Rig
from vif_agent.errors import HostRefused, NotYet
from vif_agent.host.real import RealHost
from vif_agent.plan.steps import REMOVE
from vif_agent.plugins.base import Plugin
from vif_agent.plugins.ovs import OvsPlugin
from vif_agent.ports import event
from vif_agent.ports.port import ERROR, READY, RETRYING
from vif_agent.ports.store import Store
from vif_agent.resources import LINK, OVS_PORT, Bridge, Key, OvsPort, Resource, Tap
from vif_agent.testing import plugging
from vif_agent.testing.ovs import PrivateOvs
from vif_agent.vif import Vif as PluginVif

Load = Callable[[str], Vif]

REFUSED, BUSY = HostRefused("no").problem, NotYet("busy").problem


def test_refused_row_takes_its_devices_back_in_the_same_reconcile(rig: Rig, payload: Load) -> None:
    vif = payload("ovs_hybrid")
    rig.host.fail_next(Key(OVS_PORT, "qvo" + vif["id"][:11]), REFUSED)
    assert rig.plug(vif).state == ERROR
    assert rig.host.snapshot() == rig.clean
    assert len(rig.host.plans) == 2, "one to make, one to take back"
    assert rig.plug(vif).state == READY


def test_history_tells_once_what_is_done_and_undone_at_each_try(rig: Rig, payload: Load) -> None:
    """Else it would soon be full of it, and have neither the request nor the failure any more.
    What several share is no port's, and nothing is told of a port of that name."""
    vif = payload("bridge")
    refused = Key(LINK, vif["devname"])
    for _ in range(4):
        rig.host.fail_next(refused, REFUSED)
        if vif["id"] in rig.engine.records:
            rig.settle(vif["id"])
        else:
            rig.plug(vif)
    events = rig.store.history.of(vif["id"])
    whats = [event.DID, event.FAILED, event.UNDID, event.WISHED]
    assert sorted(one.what for one in events) == whats
    rig.settle(vif["id"])
    more = rig.store.history.of(vif["id"])[len(events) :]
    assert [one.what for one in more] == [event.DID, event.READY]
    assert {one.port_id for one in rig.store.history.since(0).events} == {vif["id"]}


def test_other_ports_of_the_reconcile_stay(rig: Rig, payload: Load) -> None:
    bad, good = payload("ovs_create_tap"), payload("ovs_hybrid")
    rig.host.fail_next(Key(OVS_PORT, bad["devname"]), REFUSED)
    rig.settle(rig.request("plug", bad), rig.request("plug", good))
    assert (rig.stored(bad).state, rig.stored(good).state) == (ERROR, READY)
    assert {key.name for key in rig.made()} == {p + good["id"][:11] for p in ("qbr", "qvb", "qvo")}


def test_what_was_there_before_the_reconcile_stays(rig: Rig, payload: Load) -> None:
    """A living port that cannot take a change is not taken down for it."""
    vif = payload("ovs_create_tap")
    rig.plug(vif)
    before = rig.made()
    meta = {**vif["network"]["meta"], "mtu": 1400}
    rig.host.fail_next(Key(LINK, vif["devname"]), REFUSED)
    assert rig.plug({**vif, "network": {**vif["network"], "meta": meta}}).state == ERROR
    assert rig.made() == before


def test_transient_failure_keeps_what_is_done_so_far(rig: Rig, payload: Load) -> None:
    vif = payload("ovs_hybrid")
    rig.host.fail_next(Key(OVS_PORT, "qvo" + vif["id"][:11]), BUSY)
    assert rig.plug(vif).state == RETRYING
    assert {key.name for key in rig.made()} == {p + vif["id"][:11] for p in ("qbr", "qvb", "qvo")}


def test_what_a_guest_has_opened_meanwhile_is_not_rolled_back(rig: Rig, payload: Load) -> None:
    """In the reconciles between its making and the last word."""
    vif = payload("ovs_create_tap")
    tap, port = Key(LINK, vif["devname"]), Key(OVS_PORT, vif["devname"])
    rig.host.fail_next(port, BUSY)
    assert rig.plug(vif).state == RETRYING
    rig.host.things[tap] = dataclasses.replace(rig.host.things[tap], held=True)
    rig.host.fail_next(port, REFUSED)
    rig.settle(vif["id"])
    assert rig.stored(vif).state == ERROR
    assert tap in rig.made()
    rig.unplug(vif)
    assert rig.host.snapshot() == rig.clean


def test_shared_bridge_made_for_the_refused_port_alone_goes_too(rig: Rig, payload: Load) -> None:
    vif = payload("bridge")
    rig.host.fail_next(Key(LINK, vif["devname"]), REFUSED)
    assert rig.plug(vif).state == ERROR
    assert rig.host.snapshot() == rig.clean


def test_what_an_earlier_reconcile_made_goes_too(rig: Rig, payload: Load) -> None:
    vif = payload("ovs_hybrid")
    row = Key(OVS_PORT, "qvo" + vif["id"][:11])
    rig.host.fail_next(row, BUSY)
    assert rig.plug(vif).state == RETRYING
    rig.host.fail_next(row, REFUSED)
    rig.settle(vif["id"])
    assert rig.stored(vif).state == ERROR
    assert rig.host.snapshot() == rig.clean


def test_shared_bridge_that_another_port_wants_stays(rig: Rig, payload: Load) -> None:
    good = payload("bridge")
    bad = {**good, "id": "ff" + good["id"][2:], "devname": "tapff0042fb-c1"}
    rig.host.fail_next(Key(LINK, bad["devname"]), REFUSED)
    rig.settle(rig.request("plug", bad), rig.request("plug", good))
    assert (rig.stored(bad).state, rig.stored(good).state) == (ERROR, READY)
    assert {key.name for key in rig.made()} == {good["devname"], good["network"]["bridge"]}


def test_taking_back_that_fails_is_tried_again(rig: Rig, payload: Load) -> None:
    vif = payload("ovs_create_tap")
    rig.host.fail_next(Key(OVS_PORT, vif["devname"]), REFUSED, times=2)
    rig.host.fail_next(lambda step: step.verb == REMOVE and step.key.space == LINK, BUSY)
    assert rig.plug(vif).state == RETRYING
    assert rig.made()
    rig.settle(vif["id"])
    assert rig.stored(vif).problem == REFUSED
    assert rig.host.snapshot() == rig.clean


def test_events_of_the_taking_back_do_not_wake_the_port(rig: Rig, payload: Load) -> None:
    """Else it would be tried, refused and rolled back again, for ever."""
    vif = payload("ovs_create_tap")
    keys = {Key(LINK, vif["devname"]), Key(OVS_PORT, vif["devname"])}
    rig.host.fail_next(Key(OVS_PORT, vif["devname"]), REFUSED)
    rig.plug(vif)
    assert rig.engine.records.ports_of(keys) == set()
    rig.plug(vif)
    assert rig.engine.records.ports_of(keys) == {vif["id"]}


# the real host


class Bad(Plugin):
    """A port that is fine but for one thing that kernel or OVSDB refuses for good."""

    def __init__(self, **wrong: Any) -> None:
        self._wrong = wrong

    def resources(self, vif: PluginVif) -> Sequence[Resource]:
        name, bridge = "tap" + vif.short_id, "brq-" + vif.short_id[:8]
        tap = Tap(name=name, mtu=1400, mac=self._wrong.get("mac"), master=bridge)
        row = OvsPort(
            name="in" + vif.short_id,
            bridge="br-int",
            interface_type="internal",
            external_ids=(("iface-id", vif.port_id),),
            mtu_request=self._wrong.get("mtu_request", 1400),
            qos_type="linux-noop",
        )
        return (Bridge(name=bridge, shared=True, mtu=1400), tap, row)


WRONG = {
    "a MAC that the kernel refuses": {"mac": "01:00:00:00:00:01"},
    "an MTU that OVSDB's schema refuses": {"mtu_request": -1},
}


class Unchecked:
    """The check of answers lets nothing through that OVSDB's schema would refuse."""

    def __init__(self, **plugins: Plugin) -> None:
        self._plugins = plugins

    def resources(self, vif: PluginVif) -> Sequence[Resource]:
        return self._plugins[vif.vif_type].resources(vif)


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_refused_port_leaves_the_real_host_as_it_was(
    wrong: dict[str, Any], host: RealHost, store: Store, payload: Load, ovs: PrivateOvs
) -> None:
    ports = plugging.Ports(host, store, Unchecked(tap=Bad(**wrong), ovs=OvsPlugin()))
    vif, good, before = payload("tap"), payload("ovs_hybrid"), everything(ovs)
    (port,) = ports.plug(vif)
    assert (port.state, port.problem and port.problem.code) == (ERROR, "host_refused")
    assert ports.reconciles == 1, "taken back in the round that tried"
    assert everything(ovs) == before
    assert [p.state for p in ports.plug(good)] == [READY]


def test_good_port_of_the_same_kind_is_finished(
    host: RealHost, store: Store, payload: Load, ovs: PrivateOvs
) -> None:
    """So it is the wrong thing alone that the cases above are refused for."""
    (port,) = Ports(host, store, {"tap": Bad()}).plug(payload("tap"))
    assert port.state == READY


def test_shared_bridge_with_another_port_in_it_stays(
    host: RealHost, store: Store, payload: Load
) -> None:
    ports = Ports(host, store, {"tap": Bad(mac="01:00:00:00:00:01")})
    vif = payload("tap")
    bridge = "brq-" + vif["id"][:8]
    ip("link", "add", bridge, "type", "bridge")
    ip("link", "set", bridge, "alias", "vif-agent shared")
    ip("link", "add", "stranger", "master", bridge, "type", "veth", "peer", "name", "far")
    ports.plug(vif)
    assert links().keys() >= {bridge, "stranger"}
    assert "tap" + vif["id"][:11] not in links()
