"""Clean-up on the real host.

Accidents that other projects had are cases by name, project and issue number: what was swept there
must stay here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.casting import wait_for
from tests.support.real_host import (
    OTHER,
    Ports,
    Vif,
    everything,
    ip,
    links,
    make,
    new_vif,
    read_one,
    row,
    rows,
    with_details,
)
from vif_agent.host.real import RealHost
from vif_agent.ports.store import Store
from vif_agent.reconcile.cleanup import Cleanup
from vif_agent.resources import OVS_PORT, Key, OvsPort, Tap
from vif_agent.testing.frames import TapEnd
from vif_agent.testing.ovs import PrivateOvs

Load = Callable[[str], Vif]

LEFT = "tap" + OTHER[:11]


class Looks:
    """An engine whose looks at everything are followed by the clean-up, as the agent's are."""

    def __init__(self, ports: Ports, **options: Any) -> None:
        self.ports = ports
        defaults = {"enabled": True, "sightings": 2, "interval": 0, "max_per_round": 10}
        self.cleanup = Cleanup(ports.engine, SimpleNamespace(**{**defaults, **options}))

    def look(self, times: int = 1) -> dict[str, tuple[str, ...]]:
        """So many looks; what the last of them found."""
        for _ in range(times):
            self.ports.engine.reconcile(self.ports.engine.load(), everywhere=True)
            self.cleanup.after_reconcile()
        return self.found()

    def found(self) -> dict[str, tuple[str, ...]]:
        return {orphan.port_id: orphan.names for orphan in self.cleanup.found}


@pytest.fixture
def looks(ports: Ports) -> Looks:
    return Looks(ports)


@pytest.fixture
def orphan(host: RealHost) -> str:
    """A tap with an OVS port, whole and well, of a port that no request is known of."""
    make(host, Tap(name=LEFT), _port_row(LEFT, OTHER), port=OTHER)
    return LEFT


@pytest.fixture
def dead(ovs: PrivateOvs, host: RealHost) -> str:
    """What os-vif and libvirt leave after a reboot: a row with an iface-id, and no device."""
    name = _dead_row(ovs, "br-int")
    ids = ("type=linux-noop", "external_ids:_type=linux-noop")
    ovs.vsctl("--no-wait", "set", "port", name, "qos=@q", "--", "--id=@q", "create", "qos", *ids)
    wait_for(
        lambda: read_one(host, Key(OVS_PORT, name)).resource.qos_type, "the row in the replica"
    )
    return name


def _port_row(name: str, port: str) -> OvsPort:
    return OvsPort(name=name, bridge="br-int", external_ids=(("iface-id", port),))


def _dead_row(ovs: PrivateOvs, bridge: str, name: str = LEFT, iface_id: str = OTHER) -> str:
    ids = [f"external_ids:iface-id={iface_id}"] if iface_id else []
    text = ("--", "set", "interface", name, *ids) if ids else ()
    ovs.vsctl("--no-wait", "add-port", bridge, name, *text)
    ovs.sync()
    assert "could not open" in row(ovs, "interface", name)["error"]
    return name


def _there(ovs: PrivateOvs, bridge: str = "br-int") -> set[str]:
    return set(ovs.vsctl("list-ports", bridge).split())


def test_orphan_is_listed_at_once_and_goes_when_seen_again(
    looks: Looks, orphan: str, ovs: PrivateOvs
) -> None:
    looks.look()
    assert looks.found() == {OTHER: (orphan,)}
    assert orphan in links()
    looks.look()
    assert orphan not in links()
    assert orphan not in _there(ovs)
    looks.look()
    assert looks.found() == {}


def test_orphan_is_only_listed_unless_enabled(
    ports: Ports, orphan: str, caplog: pytest.LogCaptureFixture
) -> None:
    looks = Looks(ports, enabled=False)
    with caplog.at_level(logging.WARNING):
        looks.look(4)
    assert looks.found() == {OTHER: (orphan,)}
    assert orphan in links()
    (view,) = looks.cleanup.views()
    assert (view["port_id"], view["devices"], view["sightings"]) == (OTHER, [orphan], 4)
    reported = [r for r in caplog.records if "orphan" in r.message]
    assert len(reported) == 1, "an orphan is told once, not at every look"


def test_confirmations_within_the_interval_count_once(ports: Ports, orphan: str) -> None:
    looks = Looks(ports, interval=3600)
    looks.look(5)
    assert orphan in links()


def test_orphan_with_more_confirmations_asked_for_waits(ports: Ports, orphan: str) -> None:
    looks = Looks(ports, sightings=4)
    looks.look(3)
    assert orphan in links()
    looks.look()
    assert orphan not in links()


def test_no_more_than_so_many_ports_go_at_one_reconcile(ports: Ports, host: RealHost) -> None:
    strangers = {f"{n:08x}-0000-4000-8000-000000000000" for n in range(7)}
    for port in strangers:
        make(host, Tap(name="tap" + port[:11]), port=port)
    looks, left = Looks(ports, max_per_round=3), []
    for _ in range(4):
        looks.look()
        left.append(sum(name.startswith("tap") for name in links()))
    assert left == [7, 4, 1, 0]


def test_dead_row_of_others_goes_with_its_qos(looks: Looks, dead: str, ovs: PrivateOvs) -> None:
    looks.look()
    assert looks.found() == {OTHER: (dead,)}
    looks.look()
    assert dead not in _there(ovs)
    assert rows(ovs, "qos") == []


def test_dead_row_that_gets_its_device_is_left(looks: Looks, dead: str, ovs: PrivateOvs) -> None:
    """The port came before its tap: the race that the second confirmation guards."""
    looks.look()
    assert looks.found() == {OTHER: (dead,)}
    ip("tuntap", "add", "dev", dead, "mode", "tap")
    looks.look(3)
    assert dead in _there(ovs)
    assert looks.found() == {}


def test_nothing_goes_while_ovsdb_is_away(looks: Looks, orphan: str, ovs: PrivateOvs) -> None:
    looks.look()
    ovs.kill_ovsdb()
    try:
        looks.look(3)
        assert orphan in links()
    finally:
        ovs.start_ovsdb()


def test_dry_run_of_the_clean_up_says_what_then_is_done(
    looks: Looks, orphan: str, ovs: PrivateOvs
) -> None:
    looks.look()
    before = everything(ovs)
    planned, _ = looks.cleanup.run(dry_run=True)
    assert everything(ovs) == before
    assert planned.render().splitlines() == [
        f"connect: remove ovs-port {orphan}",
        f"delete: remove tun {orphan}",
    ]
    done, failures = looks.cleanup.run()
    assert (done.as_dict(), failures) == (planned.as_dict(), {})
    assert orphan not in links()


def test_port_plugged_meanwhile_is_no_orphan_any_more(
    looks: Looks, orphan: str, payload: Load
) -> None:
    looks.look()
    looks.ports.plug({**payload("ovs_create_tap"), "id": OTHER, "devname": orphan})
    looks.look(3)
    assert orphan in links()
    assert looks.found() == {}


# Accidents that others had


def test_kubeovn_5811_live_guest_without_a_known_owner_is_kept(
    looks: Looks, orphan: str, ovs: PrivateOvs
) -> None:
    """GC looked up the wrong owner and deleted interfaces of running VMs within 60 s.

    Here the store is lost: no request is known of any port, and guests run.
    """
    with TapEnd(orphan):
        looks.look(4)
        assert orphan in links()
        assert orphan in _there(ovs)
        (found,) = looks.cleanup.found
        assert "held open by a guest" in found.in_use
    looks.look(2)
    assert orphan not in links()


def test_kubeovn_5811_live_hybrid_guest_is_kept(
    looks: Looks, ports: Ports, store: Store, host: RealHost, payload: Load, tmp_path: Any
) -> None:
    vif = payload("ovs_hybrid")
    ports.plug(vif)
    guest = "tap" + vif["id"][:11]
    ip("tuntap", "add", "dev", guest, "mode", "tap")
    ip("link", "set", guest, "master", "qbr" + vif["id"][:11])
    lost = Store(tmp_path / "another.sqlite")
    after = Looks(Ports(host, lost))
    after.look(4)
    assert links().keys() >= {guest, *(p + vif["id"][:11] for p in ("qbr", "qvb", "qvo"))}
    assert after.found().keys() == {vif["id"]}
    lost.close()


def test_kubeovn_2085_host_nics_are_never_taken(looks: Looks, host: RealHost) -> None:
    """GC took the host's own NICs. Not even with our owner tag on them, written by whomever."""
    ip("tuntap", "add", "dev", "eth7", "mode", "tun")  # a kind that loads no module
    ip("link", "set", "eth7", "alias", f"vif-agent {OTHER}")
    looks.look(4)
    assert "eth7" in links()
    assert looks.found() == {}


def test_ovnkubernetes_6678_uplink_of_an_external_bridge_is_kept(
    looks: Looks, ports: Ports, ovs: PrivateOvs, payload: Load
) -> None:
    """Stale-port deletion scanned every bridge: it would have dropped br-ex's uplinks.

    A dead uplink (its NIC's driver is gone) on another's bridge, and on one that ports use.
    """
    ovs.add_bridge("br-ex")
    ovs.add_bridge("br-flat")
    ports.plug(with_details(payload("ovs_create_tap"), bridge_name="br-flat"))
    _dead_row(ovs, "br-ex", "eth8", iface_id="")
    _dead_row(ovs, "br-ex", "eth9", iface_id=OTHER)
    _dead_row(ovs, "br-flat", "bond0", iface_id="")
    looks.look(4)
    assert _there(ovs, "br-ex") == {"eth8", "eth9"}
    assert "bond0" in _there(ovs, "br-flat")
    assert looks.found() == {}


def test_ovnkubernetes_6459_restart_of_ovs_deletes_no_live_port(
    looks: Looks, ports: Ports, ovs: PrivateOvs, payload: Load
) -> None:
    """Transient ports were deleted when OVS restarted, live ones, and nobody added them again."""
    ports.plug(vif := payload("ovs_create_tap"))
    assert all("transient" not in r["other_config"] for r in rows(ovs, "port"))
    looks.look()
    ovs.kill_vswitchd()
    looks.look(3)
    ovs.start_vswitchd()
    looks.look(3)
    assert vif["devname"] in links()
    assert vif["devname"] in _there(ovs)


def test_atmosphere_3893_ports_of_the_dead_are_found_among_the_living(
    looks: Looks, ports: Ports, ovs: PrivateOvs, payload: Load
) -> None:
    """1,591 of 1,634 ports on br-int were orphaned: a small such host, cleaned without harm."""
    living = [new_vif(payload("ovs_create_tap"), n) for n in range(5)]
    ports.plug(*living)
    dead = [new_vif(payload("ovs"), 100 + n) for n in range(40)]
    words = [
        word
        for vif in dead
        for word in (
            *("--", "add-port", "br-int", vif["devname"]),
            *("--", "set", "interface", vif["devname"], f"external_ids:iface-id={vif['id']}"),
        )
    ]
    ovs.vsctl("--no-wait", *words[1:])
    ovs.sync()
    wait_for(lambda: len(looks.look()) == len(dead), "all the dead ones")
    assert looks.found().keys() == {vif["id"] for vif in dead}
    wait_for(lambda: not looks.look(), "their end")
    assert _there(ovs) == {vif["devname"] for vif in living}


def test_cni_plugins_1013_not_knowing_is_no_reason_to_delete(
    looks: Looks, ports: Ports, ovs: PrivateOvs
) -> None:
    """An empty valid set: ports that os-vif plugged, of which no cast has told yet."""
    ip("tuntap", "add", "dev", LEFT, "mode", "tap")
    ids = f"external_ids:iface-id={OTHER}"
    ovs.vsctl("add-port", "br-int", LEFT, "--", "set", "interface", LEFT, ids)
    looks.look(4)
    assert LEFT in _there(ovs)
    assert looks.found() == {}


@pytest.fixture(autouse=True)
def _clean_bridges(ovs: PrivateOvs) -> Iterator[None]:
    yield
    for bridge in set(ovs.vsctl("list-br").split()) - {"br-int"}:
        ovs.vsctl("del-br", bridge)
