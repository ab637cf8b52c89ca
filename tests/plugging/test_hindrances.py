"""What stops frames though all is as desired is said: in `check`, and in the log when it comes."""

from __future__ import annotations

import logging
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pyroute2.nftables.main import NFTables

from tests.support.casting import wait_for
from tests.support.real_host import TUN, Ports, ip, links, new_vif, with_details
from vif_agent.ports.port import READY
from vif_agent.testing import processes
from vif_agent.testing.frames import BROADCAST, TapEnd, frame

Vif = dict[str, Any]
Load = Callable[[str], Vif]

IPV4 = 0x0800
SWITCH = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")


@pytest.fixture
def two(ports: Ports, payload: Load) -> Iterator[tuple[Vif, Vif]]:
    one, other = new_vif(payload("bridge"), 1), new_vif(payload("bridge"), 2)
    assert [port.state for port in ports.plug(one, other)] == [READY, READY]
    yield one, other
    ports.unplug(one, other)


def warnings(ports: Ports, vif: Vif) -> list[str]:
    (port,) = ports.stored(vif)
    plan, unready = ports.engine.check(port)
    assert (list(plan), unready) == ([], {})
    return ports.engine.warnings(vif["id"])


def bridge(*args: str) -> None:
    """`ip link set` makes the kernel enable the port at once."""
    processes.run(("bridge", *args), {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})


def state(vif: Vif) -> str:
    return str(links()[vif["devname"]]["linkinfo"]["info_slave_data"]["state"])


def set_port(vif: Vif, *settings: str) -> None:
    ip("link", "set", vif["devname"], "type", "bridge_slave", *settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (("isolated", "on"), "isolated on"),
        (("locked", "on"), "locked on"),
        (("learning", "off"), "learning off"),
        (("flood", "off", "bcast_flood", "off"), "flood off; bcast_flood off"),
    ],
)
def test_settings_of_a_bridges_port(
    settings: tuple[str, ...],
    words: str,
    ports: Ports,
    two: tuple[Vif, Vif],
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert warnings(ports, two[0]) == []
    set_port(two[0], *settings)
    text = f"{two[0]['devname']}: {words}"
    for _again in range(2):
        ports.reconcile({two[0]["id"]})
        assert warnings(ports, two[0]) == [text]
    assert [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING] == [
        f"Frames may not pass {text}"
    ]
    assert warnings(ports, two[1]) == []
    undone = [{"on": "off", "off": "on"}.get(word, word) for word in settings]
    set_port(two[0], *undone)
    assert warnings(ports, two[0]) == []


def test_state_of_a_bridges_port(ports: Ports, two: tuple[Vif, Vif]) -> None:
    """Without a carrier it is disabled by itself; and what the kernel says of the carrier a moment
    later makes it forward again."""
    name = two[0]["devname"]

    def is_told() -> bool:
        bridge("link", "set", "dev", name, "state", "0")
        return warnings(ports, two[0]) == [f"{name}: state disabled"]

    with TapEnd(name, TUN):
        wait_for(lambda: state(two[0]) == "forwarding", "the carrier")
        wait_for(is_told, "the word of it")


def test_carrier_that_somebody_took_off(ports: Ports, payload: Load) -> None:
    """Of a tap with several queues, of which the kernel tells whether they are open."""
    vif = with_details(payload("bridge"), multiqueue=True)
    ports.plug(vif)
    with TapEnd(vif["devname"], TUN, multi_queue=True):
        assert warnings(ports, vif) == []
        ip("link", "set", vif["devname"], "carrier", "off")
        assert warnings(ports, vif) == [
            f"{vif['devname']}: carrier off, though a guest has it open"
        ]
    ports.unplug(vif)


@pytest.fixture
def dropping() -> Iterator[None]:
    """As Docker leaves it."""
    if not SWITCH.exists():
        pytest.skip("this kernel has no br_netfilter")
    before = SWITCH.read_text()
    SWITCH.write_text("1")
    firewall = NFTables(nfgen_family=2)
    firewall.table("add", name="filter")
    firewall.chain("add", table="filter", name="FORWARD", hook="forward", type="filter", policy=0)
    yield
    firewall.table("del", name="filter")
    firewall.close()
    SWITCH.write_text(before)


def packet(source: str, number: int) -> bytes:
    """UDP, to everybody."""
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28, number, 0, 64, 17, 0, bytes([10, 0, 0, 1]),
                         bytes([255] * 4))  # fmt: skip
    total = sum(struct.unpack("!10H", header))
    checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    header = header[:10] + struct.pack("!H", checksum) + header[12:]
    return frame(source, BROADCAST, header + struct.pack("!HHHH", 9, 9, 8, 0), IPV4)


def heard(one: Vif, other: Vif) -> int:
    """How many of three packets arrive."""
    with TapEnd(one["devname"], TUN) as a, TapEnd(other["devname"], TUN) as b:
        wait_for(lambda: _passes(a, b), "ports that forward")
        for number in range(3):
            a.send(packet(one["address"], number))
        mark = struct.pack("!HHHH", 9, 9, 8, 0)
        return sum(b.receive(mark, 0.3) is not None for _ in range(3))


def _passes(a: TapEnd, b: TapEnd) -> bool:
    """What is no IP packet does, whatever the firewall."""
    a.send(frame("02:00:00:00:00:07", BROADCAST, b"no packet"))
    return b.receive(b"no packet", 0.1) is not None


def test_hosts_firewall_that_drops_what_passes_a_bridge(
    ports: Ports, two: tuple[Vif, Vif], request: pytest.FixtureRequest
) -> None:
    assert warnings(ports, two[0]) == []
    assert heard(*two) == 3
    request.getfixturevalue("dropping")
    assert heard(*two) == 0
    time.sleep(2.1)  # the helper's answer is as old as that
    (text,) = warnings(ports, two[0])
    assert text.startswith(f"{two[0]['network']['bridge']}: frames in it go through the host's")
    assert "and its chain ip filter FORWARD drops what no rule of it lets pass" in text
