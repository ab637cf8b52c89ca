"""Guards in the engine: they stand before the device and go after it, and follow the request."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.examples import INSTANCE
from tests.support.faults import Crash
from tests.support.rig import NETWORK_TYPES, REGISTRY, Rig
from vif_agent.errors import HostRefused, NotYet
from vif_agent.firewall.guarded import Guarded
from vif_agent.firewall.nftables import NftablesDriver
from vif_agent.firewall.noop import NoopDriver
from vif_agent.ownership import Found
from vif_agent.plan.steps import MAKE, REMOVE
from vif_agent.plugins.bridge import BridgePlugin
from vif_agent.plugins.tap import TapPlugin
from vif_agent.ports.port import ERROR, PLUG, READY, RETRYING, UNPLUG, UNPLUGGED, PortRequest
from vif_agent.reconcile import orphans
from vif_agent.resources import GUARD, LINK, Bridge, Device, Guard, Key, Resource, Tap
from vif_agent.vif import Vif as ParsedVif

Payload = Callable[[str], dict[str, Any]]
Vif = dict[str, Any]

NAME, BRIDGE, MAC = "tapcb0042fb-c1", "brq7151fa78-2a", "fa:16:3e:5a:00:04"
TAP, KEY = Key(LINK, NAME), Key(GUARD, NAME)
STRANGER = "99999999-0000-4000-8000-000000000009"


class LibvirtsTaps:
    """Libvirt makes the taps of vif_type bridge, nova those of vif_type tap."""

    def resources(self, vif: ParsedVif) -> Any:
        bridge = BridgePlugin(create_tap=False, network_types=NETWORK_TYPES)
        plugins: dict[str, Any] = {"bridge": bridge, "tap": TapPlugin(bridge)}
        plugin = plugins.get(vif.vif_type, REGISTRY)
        return Guarded(plugin, NftablesDriver()).resources(vif)


@pytest.fixture
def libvirts(tmp_path: Path) -> Iterator[Rig]:
    (tmp_path / "libvirt").mkdir()
    rig = Rig(tmp_path / "libvirt", LibvirtsTaps())
    yield rig
    rig.store.close()


@pytest.fixture
def vif(payload: Payload) -> Vif:
    return payload("bridge")


def with_pairs(vif: Vif, *addresses: str) -> Vif:
    return {**vif, "meta": {"allowed_address_pairs": [{"ip_address": ip} for ip in addresses]}}


def guard_of(rig: Rig, key: Key = KEY) -> Guard:
    guard = rig.host.things[key].resource
    assert isinstance(guard, Guard)
    return guard


def _request(vif: Vif) -> PortRequest:
    return PortRequest(
        port_id=vif["id"], verb=PLUG, instance=INSTANCE, vif=vif, vif_type=vif["type"]
    )


def done(rig: Rig) -> list[str]:
    """All steps since the last time, in the order in which they are printed."""
    lines = [line for plan in rig.host.plans for line in plan.render().splitlines()]
    rig.host.plans.clear()
    return lines


def test_guard_stands_before_the_device_and_goes_after_it(rig: Rig, vif: Vif) -> None:
    assert rig.plug(vif).state == READY
    lines = done(rig)
    assert lines.index(f"create: make guard {NAME}") < lines.index(f"create: make bridge {BRIDGE}")
    assert rig.host.things[KEY].owner == vif["id"]
    assert rig.unplug(vif).state == UNPLUGGED
    (plan,) = rig.host.plans
    assert plan.delete[-1].key == KEY
    assert rig.host.snapshot() == rig.clean


def test_each_piece_of_a_plug_leaves_no_device_without_its_guard(rig: Rig, vif: Vif) -> None:
    for act in (rig.plug, rig.unplug):
        for pieces in range(20):
            rig.host.crash_after(pieces)
            with contextlib.suppress(Crash):
                act(vif)
            assert KEY in rig.host.things or TAP not in rig.host.things, f"after {pieces} pieces"
            rig.restart()


def test_pair_more_is_one_change_that_says_so(rig: Rig, vif: Vif) -> None:
    rig.plug(with_pairs(vif, "192.0.2.7"))
    done(rig)
    plan = rig.engine.dry_run(
        rig.store.preview([_request(with_pairs(vif, "192.0.2.7", "192.0.2.9"))])
    )
    text = f"create: change guard {NAME}: pairs {MAC} 192.0.2.9/32 added"
    assert plan.render() == text
    rig.plug(with_pairs(vif, "192.0.2.7", "192.0.2.9"))
    assert done(rig) == [text]
    rig.plug(with_pairs(vif, "192.0.2.9"))
    assert done(rig) == [f"create: change guard {NAME}: pairs {MAC} 192.0.2.7/32 removed"]
    assert (MAC, "192.0.2.9/32") in guard_of(rig).pairs
    assert not rig.engine.dry_run([rig.stored(vif)])


def test_port_security_off_takes_the_guard_away_and_on_brings_it_back(rig: Rig, vif: Vif) -> None:
    rig.plug(vif)
    off = {**vif, "meta": {"port_security_enabled": False}}
    assert rig.plug(off).state == READY
    assert (KEY in rig.host.things, TAP in rig.host.things) == (False, True)
    assert rig.plug(vif).state == READY
    assert KEY in rig.host.things


def test_driver_noop_takes_all_guards_away_at_the_start(rig: Rig, vif: Vif) -> None:
    rig.plug(vif)
    rig.plugins = Guarded(REGISTRY, NoopDriver())
    rig.settle(*rig.restart(), everywhere=True)
    assert (KEY in rig.host.things, TAP in rig.host.things) == (False, True)
    assert rig.stored(vif).state == READY
    rig.plugins = Guarded(REGISTRY, NftablesDriver())
    rig.settle(*rig.restart(), everywhere=True)
    assert KEY in rig.host.things


@pytest.mark.parametrize(
    "undo",
    [
        lambda rig: rig.host.remove(KEY),
        lambda rig: rig.host.change(KEY, pairs=()),
        lambda rig: rig.host.change(KEY, enforced=False),
        lambda rig: rig.host.things.update(
            {KEY: dataclasses.replace(rig.host.things[KEY], owner=None)}
        ),
    ],
    ids=["deleted", "an element deleted", "without rules", "without its owner tag"],
)
def test_guard_that_others_have_changed_is_repaired(
    rig: Rig, vif: Vif, undo: Callable[[Rig], None]
) -> None:
    rig.plug(vif)
    there = rig.host.snapshot()
    undo(rig)
    assert rig.host.snapshot() != there
    assert rig.engine.records.concerns(KEY)
    assert rig.engine.records.ports_of({KEY}) == {vif["id"]}
    rig.settle(vif["id"])
    assert rig.host.snapshot() == there


@pytest.mark.parametrize(
    ("problem", "state"),
    [(NotYet("out of memory").problem, RETRYING), (HostRefused("not supported").problem, ERROR)],
)
def test_new_port_whose_guard_fails_stays_down(
    rig: Rig, vif: Vif, payload: Payload, problem: Any, state: str
) -> None:
    other = payload("bridge_flat")
    rig.host.fail_next(KEY, problem)
    rig.settle(rig.request(PLUG, vif), rig.request(PLUG, other))
    assert TAP not in rig.host.things
    failed = rig.stored(vif)
    assert (failed.state, failed.problem) == (state, problem)
    assert rig.stored(other).problem is None, "another port proceeds"
    rig.settle(vif["id"])
    assert rig.stored(vif).state == READY


def test_port_keeps_its_guard_when_a_change_of_it_fails(rig: Rig, vif: Vif) -> None:
    rig.plug(vif)
    there = guard_of(rig)
    rig.host.fail_next(KEY, NotYet("out of memory").problem)
    assert rig.plug(with_pairs(vif, "192.0.2.9")).state == RETRYING
    assert guard_of(rig) == there
    assert TAP in rig.host.things


def test_guard_stays_with_a_tap_that_does_not_go(rig: Rig, vif: Vif) -> None:
    rig.plug(vif)
    rig.host.fail_next(lambda step: step.key == TAP and step.verb == REMOVE, NotYet("busy").problem)
    rig.settle(rig.request(UNPLUG, vif))
    assert {TAP, KEY} <= rig.host.things.keys()
    rig.settle(vif["id"])
    assert rig.host.snapshot() == rig.clean


@pytest.mark.parametrize("unplugged", [True, False], ids=["unplugged", "port security off"])
def test_guard_without_its_owner_tag_goes_with_its_port_as_any_other(
    rig: Rig, vif: Vif, unplugged: bool
) -> None:
    """Others have flushed the set that has the tags, and we come before it is put back."""
    rig.plug(vif)
    rig.host.things[KEY] = dataclasses.replace(rig.host.things[KEY], owner=None)
    if unplugged:
        assert rig.unplug(vif).state == UNPLUGGED
        assert rig.host.snapshot() == rig.clean
    else:
        off = {**vif, "meta": {"port_security_enabled": False}}
        assert rig.plug(off).state == READY
        assert (KEY in rig.host.things, TAP in rig.host.things) == (False, True)


def test_guard_without_its_owner_tag_stays_for_the_next_port_of_that_device(
    libvirts: Rig, vif: Vif
) -> None:
    twin = {**vif, "id": vif["id"][:11] + "0" + vif["id"][12:]}
    assert libvirts.plug(vif).state == READY
    found = libvirts.host.things[KEY]
    libvirts.host.things[KEY] = dataclasses.replace(found, owner=None)
    done(libvirts)
    libvirts.settle(libvirts.request(UNPLUG, vif), libvirts.request(PLUG, twin))
    assert libvirts.stored(twin).state == READY
    assert f"delete: remove guard {NAME}" not in done(libvirts)
    assert libvirts.host.things[KEY].owner == twin["id"]


def test_libvirts_tap_is_guarded_before_it_is_there_and_until_it_has_gone(
    libvirts: Rig, vif: Vif
) -> None:
    assert libvirts.plug(vif).state == READY
    assert (libvirts.stored(vif).devices, KEY in libvirts.host.things) == ((BRIDGE,), True)
    libvirts.host.add_link(Tap(name=NAME, master=BRIDGE), held=True)
    libvirts.settle(port_id := libvirts.request(UNPLUG, vif))
    waits = libvirts.stored(vif)
    assert (waits.state, waits.problem and waits.problem.message) == (
        RETRYING,
        f"{NAME}: its guard stays while it is in {BRIDGE}",
    )
    assert KEY in libvirts.host.things
    libvirts.host.remove(TAP)
    libvirts.settle(port_id)
    assert libvirts.stored(vif).state == UNPLUGGED
    assert libvirts.host.snapshot() == libvirts.clean


@pytest.mark.parametrize("name", ["ovs", "ovs_hybrid"])
def test_guard_stays_while_libvirts_tap_is_in_the_bridge_of_an_earlier_request(
    libvirts: Rig, vif: Vif, payload: Payload, name: str
) -> None:
    """A port that is on Open vSwitch now; the tap is as libvirt has made it."""
    libvirts.plug(vif)
    libvirts.host.add_link(Tap(name=NAME, master=BRIDGE), held=True)
    rebound = {**payload(name), "id": vif["id"], "devname": vif["devname"]}
    libvirts.settle(port_id := libvirts.request(PLUG, rebound))
    for _ in range(2):
        waits = libvirts.stored(vif)
        words = f"{NAME}: its guard stays while it is in {BRIDGE}"
        assert (waits.state, waits.problem and waits.problem.message) == (RETRYING, words)
        assert KEY in libvirts.host.things
        libvirts.settle(*libvirts.restart(), everywhere=True)
    libvirts.host.change(TAP, master="")
    libvirts.settle(port_id)
    assert KEY not in libvirts.host.things
    assert libvirts.stored(vif).state == READY


def test_guard_of_libvirts_tap_goes_at_once_where_port_security_is_off(
    libvirts: Rig, vif: Vif
) -> None:
    libvirts.plug(vif)
    libvirts.host.add_link(Tap(name=NAME, master=BRIDGE), held=True)
    assert libvirts.plug({**vif, "meta": {"port_security_enabled": False}}).state == READY
    assert (KEY in libvirts.host.things, TAP in libvirts.host.things) == (False, True)


def test_novas_tap_leaves_the_bridge_before_its_guard_goes(libvirts: Rig, payload: Payload) -> None:
    vif = payload("tap")
    vif = {**vif, "network": {**vif["network"], "bridge": BRIDGE}}
    name = vif["devname"]
    libvirts.host.add_link(Tap(name=name))
    assert libvirts.plug(vif).state == READY
    assert Key(GUARD, name) in libvirts.host.things
    wired = libvirts.host.things[Key(LINK, name)].resource
    assert getattr(wired, "master", None) == BRIDGE
    libvirts.host.fail_next(lambda step: isinstance(step.resource, Device), NotYet("busy").problem)
    libvirts.settle(libvirts.request(UNPLUG, vif))
    assert Key(GUARD, name) in libvirts.host.things, "it is in the bridge yet"
    libvirts.settle(vif["id"])
    assert libvirts.stored(vif).state == UNPLUGGED
    assert Key(GUARD, name) not in libvirts.host.things


def test_two_ports_of_one_device_name_do_not_share_a_guard(libvirts: Rig, vif: Vif) -> None:
    twin = {**vif, "id": vif["id"][:11] + "0" + vif["id"][12:]}
    assert libvirts.plug(vif).state == READY
    refused = libvirts.plug(twin)
    assert (refused.state, refused.problem and refused.problem.code) == (ERROR, "conflict")
    assert libvirts.host.things[KEY].owner == vif["id"]


def test_guard_of_no_request_is_an_orphan_and_stays_while_its_device_does(rig: Rig) -> None:
    guard: Resource = Guard(name=NAME, macs=(MAC,), pairs=())
    rig.host.things[KEY] = Found(guard, owner=STRANGER)
    (orphan,) = rig.engine.find_orphans()
    assert (orphan.port_id, orphan.names, orphan.in_use) == (STRANGER, (NAME,), "")
    rig.host.add_link(Bridge(name=BRIDGE))
    rig.host.add_link(Tap(name=NAME, master=BRIDGE))
    (orphan,) = rig.engine.find_orphans()
    assert orphan.in_use == f"the device {NAME} is there and is not ours"
    rig.host.remove(TAP)
    assert rig.engine.apply(orphans.removal(rig.engine.find_orphans()), {}) == {}
    assert KEY not in rig.host.things


def test_tagged_tap_of_no_request_goes_before_its_guard(rig: Rig) -> None:
    rig.host.things[KEY] = Found(Guard(name=NAME, macs=(MAC,), pairs=()), owner=STRANGER)
    rig.host.add_link(Tap(name=NAME), owner=STRANGER)
    plan = orphans.removal(rig.engine.find_orphans())
    assert [step.key for step in plan.delete] == [TAP, KEY]


def test_bridge_of_a_guarded_port_learns_no_mac_that_no_guard_has_seen(
    rig: Rig, vif: Vif, payload: Payload
) -> None:
    """Also where the first port in it and the last have no guard."""
    off = {**vif, "meta": {"port_security_enabled": False}}
    first, last = (
        {**off, "id": f"0000000{n}" + vif["id"][8:], "devname": f"tap0000000{n}"} for n in (1, 2)
    )
    bridge = Key(LINK, BRIDGE)
    rig.plugins = REGISTRY
    rig.settle(*rig.restart(), everywhere=True)
    rig.plug(vif)
    assert getattr(rig.host.things[bridge].resource, "learns_link_local", None) is True
    rig.plugins = Guarded(REGISTRY, NftablesDriver())
    rig.settle(*rig.restart(), everywhere=True)
    assert getattr(rig.host.things[bridge].resource, "learns_link_local", None) is False
    for one in (first, vif, last):
        rig.unplug(one)
        assert rig.plug(one).state == READY
    rig.host.change(bridge, learns_link_local=True)
    rig.settle(*rig.engine.records.ports_of({bridge}))
    assert getattr(rig.host.things[bridge].resource, "learns_link_local", None) is False


def test_bridge_of_others_is_left_as_it_is_and_said_to_learn(
    rig: Rig, vif: Vif, caplog: pytest.LogCaptureFixture
) -> None:
    bridge = Key(LINK, BRIDGE)
    rig.host.add_link(Bridge(name=BRIDGE, up=True))
    assert rig.plug({**vif, "meta": {"port_security_enabled": False}}).state == READY
    assert rig.engine.warnings(vif["id"]) == []
    there = rig.host.things[bridge]
    assert rig.plug(vif).state == READY
    assert rig.host.things[bridge].resource == there.resource
    (text,) = rig.engine.warnings(vif["id"])
    assert text.endswith(f"ip link set {BRIDGE} type bridge no_linklocal_learn 1")
    rig.settle(vif["id"])
    logged = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert logged == [f"Frames may not pass {text}"]
    rig.host.change(bridge, learns_link_local=False)
    rig.settle(vif["id"])
    assert rig.engine.warnings(vif["id"]) == []


def test_guards_of_many_ports_are_one_batch(rig: Rig, vif: Vif) -> None:
    vifs = [
        {**vif, "id": f"0000{n:04d}" + vif["id"][8:], "devname": f"tap0000{n:04d}"}
        for n in range(20)
    ]
    rig.settle(*[rig.request(PLUG, one) for one in vifs])
    (plan, *_) = rig.host.plans
    assert [s.verb for s in plan.create[:20]] == [MAKE] * 20
    assert {s.key.space for s in plan.create[:20]} == {GUARD}
