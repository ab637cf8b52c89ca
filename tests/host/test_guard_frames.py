"""What passes and what does not: real frames by real taps, in each kind of network."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.helper.test_compromised import speaking
from tests.support import guarded
from tests.support.casting import wait_for
from tests.support.guarded import (
    DEVICES,
    behind_tunnel,
    behind_vlan,
    counted,
    ip,
    needs,
    plain_bridge,
    send_all,
    tap,
    tunnel,
    wrong,
)
from tests.support.guarded_frames import CASES, OTHERS, fence
from tests.support.packets import BROADCAST, ether
from vif_agent.helper import guards
from vif_agent.helper.orders import SetGuard
from vif_agent.host.nft import messages, reading, table
from vif_agent.host.nft.elements import Element
from vif_agent.host.nft.netlink import DONE, NftSocket
from vif_agent.host.nft.tables import REASONS
from vif_agent.host.nft.words import BRIDGE as BRIDGED
from vif_agent.testing.frames import End

pytestmark = pytest.mark.usefixtures("namespace")

BRIDGE = "br-guarded"


@contextlib.contextmanager
def one_bridge() -> Iterator[End]:
    """The other guest is on the same one."""
    plain_bridge(BRIDGE)
    with tap("tap-far", BRIDGE) as far:
        yield far


@contextlib.contextmanager
def filtering() -> Iterator[End]:
    """The bridge itself knows VLANs, and has all ports in one."""
    needs("link", "add", BRIDGE, "type", "bridge", "vlan_filtering", "1", "vlan_default_pvid", "7")
    ip("link", "set", BRIDGE, "type", "bridge", "mcast_snooping", "0")
    ip("link", "set", BRIDGE, "addrgenmode", "none", "up")
    with tap("tap-far", BRIDGE) as far:
        yield far


@contextlib.contextmanager
def vlan() -> Iterator[End]:
    plain_bridge(BRIDGE)
    with behind_vlan("trunk", 7) as far:
        ip("link", "add", "link", "trunk", "name", "trunk.7", "type", "vlan", "id", "7")
        ip("link", "set", "trunk.7", "addrgenmode", "none", "master", BRIDGE, "up")
        yield far


@contextlib.contextmanager
def vxlan() -> Iterator[End]:
    plain_bridge(BRIDGE)
    with behind_tunnel(7, "192.0.2.1", "192.0.2.2") as far:
        tunnel(7, "192.0.2.1", "192.0.2.2", "under")
        ip("link", "set", "vx7", "master", BRIDGE)
        yield far


@pytest.mark.parametrize("network", [one_bridge, filtering, vlan, vxlan])
def test_what_passes_and_what_does_not(
    network: Callable[[], contextlib.AbstractContextManager[End]], figures: Callable[[str], None]
) -> None:
    with network() as far, guarded.guests(BRIDGE) as ends:
        sent = send_all(ends, far)
        assert wrong(sent, ends) == {}
        by_port = guards.dropped_of_ports()
    assert len(sent) >= 60
    assert by_port == counted(DEVICES)
    passed = sum(one.arrived for one in sent.values())
    figures(f"guard, {network.__name__}: {len(sent)} frames, {passed} arrived, 0 wrong")


def test_every_reason_is_in_the_table() -> None:
    assert {case.counter for case in CASES} >= {*REASONS}
    names = [(case.port, case.name) for case in CASES]
    assert len(names) == len(set(names))


def test_guard_holds_while_all_is_made_anew_and_its_keeper_changes(
    figures: Callable[[str], None],
) -> None:
    """Somebody sends as another all the time, and nothing of it arrives."""
    spoofed = ether(OTHERS, BROADCAST, 0x88B5, b"spoofed" * 8)
    with one_bridge() as far, guarded.guests(BRIDGE) as ends:
        with sending(ends["strict"], spoofed) as sent:
            for n in range(100):
                replace_all_rules(permitted=[0x88CC] * (n % 2))
            change_many_networks()
            guards_of_helper(sent)
        dropped = guards.dropped()["mac"]
        ends["strict"].send(fence("strict", b"the last one"))
        while (data := far.receive(b"", 20)) and b"the last one" not in data:
            assert b"spoofed" not in data
        assert data
    figures(
        f"all rules replaced 100 times: {sent[0]} spoofed frames sent, {dropped} counted, 0 arrived"
    )


def replace_all_rules(permitted: list[int]) -> None:
    """As if an older agent had written others."""
    with NftSocket() as netlink:
        state, _ = reading.read(netlink)
        found = state.fixed[BRIDGED]
        other = dataclasses.replace(found, chains=dict.fromkeys(found.chains, False))
        known = dataclasses.replace(state, fixed={BRIDGED: other})
        work = table.batch(known, permitted, table.Change(), reading.counted(netlink))
        assert not {messages.DELETE_TABLE, messages.NEW_CHAIN} & {message.kind for message in work}
        assert netlink.do(work, state.generation) == DONE


def change_many_networks() -> None:
    """More than go in one batch."""
    for third in range(5):
        assert guarded.write([_network(n, third) for n in range(40)]) == DONE
    assert guarded.write(remove=[_network(n, 0).name for n in range(40)]) == DONE


def _network(n: int, third: int) -> SetGuard:
    pair = (OTHERS, f"10.{third}.0.0/16")
    return SetGuard(
        name=f"other{n}", owner=guarded.OWNER.format(n % 9), macs=(OTHERS,), pairs=(pair,)
    )


def guards_of_helper(sent: list[int]) -> None:
    """Two, one after the other; between them nobody keeps the table."""
    for n in range(2):
        with speaking() as helper:
            known = helper.raw("read_guards", [])
            told = helper.raw("write_guards", [0x88CC + n], known["generation"], [], [])
            assert tuple(told) == (0, "")
            before = sent[0]
            wait_for(lambda: sent[0] > before + 100, "more frames")  # noqa: B023
        wait_for(lambda: guarded.holder() == 0, "the helper's end")


@contextlib.contextmanager
def sending(end: End, frame: bytes) -> Iterator[list[int]]:
    """By a thread; how many so far."""
    sent, stop = [0], threading.Event()

    def run() -> None:
        while not stop.is_set():
            end.send(frame)
            sent[0] += 1

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield sent
    finally:
        stop.set()
        thread.join()


def test_what_cannot_be_counted_for_its_port_is_dropped_all_the_same() -> None:
    """The kernel leaves out the rest of a rule whose counter has no room."""
    with one_bridge() as far, guarded.guests(BRIDGE) as ends, NftSocket() as netlink:
        full = (Element("dropped", n.to_bytes(4).rjust(32, b"x")) for n in range(1 << 16))
        assert netlink.do(list(messages.new_elements(full))) == DONE
        ends["strict"].send(ether(OTHERS, BROADCAST, 0x88B5, b"spoofed" * 8))
        ends["strict"].send(fence("strict", b"the last one"))
        while (data := far.receive(b"", 20)) and b"the last one" not in data:
            assert b"spoofed" not in data
        assert data
        assert guards.dropped()["mac"] == 1
