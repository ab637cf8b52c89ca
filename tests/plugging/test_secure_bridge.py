"""The integration bridge that the agent makes lets no frame through until its owner has come."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest

from tests.support.real_host import Ports, Vif, all_plugins, new_vif, row, rows, with_details
from vif_agent.host.real import RealHost
from vif_agent.ports.port import READY, Port
from vif_agent.ports.store import Store
from vif_agent.testing.frames import TapEnd, crosses
from vif_agent.testing.ovs import PrivateOvs

Load = Callable[[str], Vif]

FRAMES = 40
UNATTENDED = "br-int: no frame passes: it is secure, and neither Neutron's agent nor OVN has come"


@pytest.fixture(autouse=True)
def br_int(host: RealHost, ovs: PrivateOvs) -> Iterator[None]:
    """As it was before, whatever the test has made of it."""
    yield
    ovs.vsctl("--if-exists", "del-br", "br-int")
    ovs.add_bridge("br-int")


@pytest.fixture
def tenants(payload: Load) -> tuple[Vif, Vif]:
    """Ports of two networks under OVN, which needs no dead VLAN: its flows part them."""
    one = with_details(payload("ovs_create_tap"), datapath_type="netdev")
    other = new_vif(one, 2)
    other["network"] = {**one["network"], "id": "11111111-afdc-58ef-a2fd-a0fe8e5719a6"}
    return one, other


def frames_seen(one: Vif, other: Vif) -> int:
    """Of forty that one sends, how many the other sees; they are broadcasts."""
    with TapEnd(one["devname"]) as a, TapEnd(other["devname"]) as b:
        seen = [crosses(a, b, 0.05, one["address"]) for _ in range(FRAMES)]
    return sum(seen)


def unready(ports: Ports, stored: Port) -> list[str]:
    plan, waits = ports.engine.check(stored)
    assert not plan
    return [f"{key.name}: {why}" for key, why in waits.items()]


def remade(ports: Ports, ovs: PrivateOvs, tenants: tuple[Vif, Vif]) -> None:
    """Under living ports, by somebody's del-br."""
    assert [port.state for port in ports.plug(*tenants)] == [READY, READY]
    ovs.vsctl("del-br", "br-int")
    reported = ports.reconcile({vif["id"] for vif in tenants})
    assert {port.state for port in reported.values()} == {READY}


def test_remade_under_living_ports_it_shows_nobody_anothers_frames(
    ports: Ports, ovs: PrivateOvs, tenants: tuple[Vif, Vif], figures: Callable[[str], None]
) -> None:
    remade(ports, ovs, tenants)
    assert row(ovs, "bridge", "br-int")["fail_mode"] == "secure"
    assert set(ovs.vsctl("list-ports", "br-int").split()) == {v["devname"] for v in tenants}
    seen = frames_seen(*tenants)
    assert seen == 0
    ovs.vsctl("del-fail-mode", "br-int")  # as it was made before: the frames can be seen
    leaked = frames_seen(*tenants)
    assert leaked > FRAMES // 2
    figures(f"br-int remade: {seen} of {FRAMES} frames of another's seen, not secure {leaked}")


@pytest.mark.parametrize(
    "owner",
    [
        ("set", "bridge", "br-int", "external_ids:ovn-startup-ts=1764349868000"),
        ("set-controller", "br-int", "tcp:127.0.0.1:6633"),
    ],
    ids=["ovn", "neutron"],
)
def test_it_is_said_until_the_owner_has_come(
    ports: Ports,
    ovs: PrivateOvs,
    tenants: tuple[Vif, Vif],
    owner: tuple[str, ...],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Once in the log, for all ports of the bridge."""
    with caplog.at_level(logging.INFO):
        remade(ports, ovs, tenants)
        stored, _ = ports.stored(*tenants)
        (answer,) = unready(ports, stored)
        assert answer.startswith(UNATTENDED)
        ovs.vsctl(*owner)
        ovs.ofctl("add-flow", "br-int", "actions=NORMAL")
        ports.reconcile({tenants[0]["id"]})
        assert unready(ports, stored) == []
    assert frames_seen(*tenants) > 0
    reported = [r.message for r in caplog.records if r.message.startswith("Bridge br-int")]
    assert [text.startswith(f"Bridge {UNATTENDED}") for text in reported] == [True, False]
    assert reported[1] == "Bridge br-int: its owner has come"


def test_made_first_by_the_agent_it_is_secure_too(
    ports: Ports, ovs: PrivateOvs, tenants: tuple[Vif, Vif]
) -> None:
    vifs = [with_details(vif, bridge_name="br-new") for vif in tenants]
    assert [port.state for port in ports.plug(*vifs)] == [READY, READY]
    assert row(ovs, "bridge", "br-new")["fail_mode"] == "secure"
    assert frames_seen(*tenants) == 0


def test_one_that_is_there_stays_as_its_owner_has_it(
    ports: Ports, ovs: PrivateOvs, tenants: tuple[Vif, Vif]
) -> None:
    ports.plug(*tenants)
    assert row(ovs, "bridge", "br-int")["fail_mode"] == []
    remade(ports, ovs, tenants)
    ovs.vsctl("set-fail-mode", "br-int", "standalone")
    assert ports.reconcile({vif["id"] for vif in tenants}) == {}
    assert row(ovs, "bridge", "br-int")["fail_mode"] == "standalone"
    assert unready(ports, ports.stored(*tenants)[0]) == []


def test_bridges_of_one_port_forward_by_themselves(
    host: RealHost, store: Store, ovs: PrivateOvs, tenants: tuple[Vif, Vif]
) -> None:
    """A trunk's, and a port's own: nobody gives these flows."""
    ports = Ports(host, store, all_plugins(per_port_bridge=True))
    trunk = with_details(tenants[0], bridge_name="tbr-5e4179f1-1")
    assert [port.state for port in ports.plug(trunk, tenants[1])] == [READY, READY]
    modes = {bridge["name"]: bridge["fail_mode"] for bridge in rows(ovs, "bridge")}
    assert modes == {
        "br-int": [],
        "tbr-5e4179f1-1": [],
        **{"pb" + vif["id"][:12]: [] for vif in tenants},
    }
