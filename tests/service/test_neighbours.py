"""Others on a host who configure whatever they find: each really running, first without our file,
to see what they do then, and with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.service.compute import Compute

FILES = {
    "networkd": "/usr/local/lib/systemd/network/00-vif-agent.network",
    "udevd": "/usr/local/lib/systemd/network/00-vif-agent.link",
    "NetworkManager": "/etc/NetworkManager/conf.d/vif-agent.conf",
}
PORTS = ("bridge", "ovs_hybrid", "tap")
OURS = ("tapcb0042fb-c1", "brq7151fa78-2a", "qbr5843eca1-e1", "qvb5843eca1-e1", "qvo5843eca1-e1")
_ALL = "[Match]\nName=*\n[Network]\nLinkLocalAddressing=no\n"
_RANDOM, _SET = "1", "3"  # how a device came to its MAC, addr_assign_type in sysfs


@contextmanager
def without(compute: Compute, whose: str) -> Iterator[None]:
    file = compute.machine.files / FILES[whose].lstrip("/")
    text = file.read_text()
    file.unlink()
    try:
        yield
    finally:
        file.write_text(text)


@contextmanager
def running(compute: Compute, *units: str) -> Iterator[None]:
    compute.run(f"systemctl start {units[0]}")
    try:
        yield
    finally:
        compute.run(f"systemctl stop {' '.join(units)}")


@contextmanager
def networkd(compute: Compute) -> Iterator[None]:
    """With a file that somebody wrote for all devices."""
    file = compute.machine.files / "etc/systemd/network/50-all.network"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(_ALL)
    try:
        with running(compute, "systemd-networkd", "systemd-networkd.socket"):
            yield
    finally:
        file.unlink()


def repairs(compute: Compute, meanwhile: Callable[[], object] = lambda: None) -> list[str]:
    """What the agent put right of ports that it had just plugged."""
    heard = compute.hear()
    compute.plug(*PORTS)
    meanwhile()
    time.sleep(5)
    compute.unplug(*PORTS)
    return [line for line in heard().splitlines() if " repaired port=" in line]


def test_networkd_takes_devices_out_of_their_bridges_but_for_our_file(compute: Compute) -> None:
    with without(compute, "networkd"), networkd(compute):
        assert any("master  -> " in line for line in repairs(compute))
    states: list[str] = []

    def look() -> None:
        listed = [line.split() for line in compute.run("networkctl --no-legend").splitlines()]
        states.extend(words[4] for words in listed if words[1] in OURS)

    with networkd(compute):
        assert repairs(compute, look) == []
    assert states == ["unmanaged"] * len(OURS)


def test_udev_gives_devices_other_macs_but_for_our_file(compute: Compute) -> None:
    """So a bridge may lose the MAC of its NIC that the agent gives it just then."""
    assert compute.run("systemctl is-active systemd-udevd").strip() == "active"

    def assigned() -> str:
        compute.run("ip link add brq01234567-89 type bridge; udevadm settle")
        how = compute.run("cat /sys/class/net/brq01234567-89/addr_assign_type").strip()
        compute.run("ip link del brq01234567-89; udevadm settle")
        return how

    with without(compute, "udevd"):
        compute.run("udevadm control --reload")
        assert assigned() == _SET
    compute.run("udevadm control --reload")
    assert assigned() == _RANDOM
    assert repairs(compute) == []


@pytest.fixture
def turned_off_and_on(compute: Compute) -> Callable[[], None]:
    def turn() -> None:
        for word in ("off", "on"):
            time.sleep(3)  # it takes in what has come
            compute.run(f"nmcli networking {word}")

    return turn


def test_network_manager_ends_connections_of_others_but_for_our_file(
    compute: Compute, turned_off_and_on: Callable[[], None]
) -> None:
    with without(compute, "NetworkManager"), running(compute, "NetworkManager"):
        undone = repairs(compute, turned_off_and_on)
        # Debian 13's 1.52 leaves connections that others have made at that
        assert bool(undone) is (compute.machine.root.release == "bookworm")
    with running(compute, "NetworkManager"):
        states: list[str] = []

        def look() -> None:
            turned_off_and_on()
            listed = compute.run("nmcli --terse --fields DEVICE,STATE device").splitlines()
            states.extend(line.split(":")[1] for line in listed if line.split(":")[0] in OURS)

        assert repairs(compute, look) == []
        assert states == ["unmanaged"] * len(OURS)
