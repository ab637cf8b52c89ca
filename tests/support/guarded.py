"""The four ports of ``guarded_frames`` in this network namespace, and who is at the other end."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.guarded_frames import BRIDGE, CASES, PERMITTED, PORTS, Case, fence
from vif_agent.helper import guards
from vif_agent.helper.orders import SetGuard
from vif_agent.host.nft import reading, words
from vif_agent.host.nft.netlink import NftSocket, Refused
from vif_agent.host.nft.tables import REASONS
from vif_agent.testing.frames import DOWN, End, PacketEnd, TapEnd, tolerating
from vif_agent.testing.netns import Namespace
from vif_agent.testing.plugging import TUN

DEVICES = {name: f"tap{at}0000000-00" for at, name in enumerate(PORTS)}
OWNER = "{}0000000-0000-4000-8000-000000000000"
BRIDGED = Path("/proc/sys/net/bridge")
TUNNEL_PORT = "4789"
_GUARD_SECONDS = 20


def ip(*words: str) -> None:
    subprocess.run(("ip", *words), check=True, stderr=subprocess.PIPE)


def orders() -> list[SetGuard]:
    """Of those ports that have a guard."""
    return [
        SetGuard(
            name=DEVICES[name],
            owner=OWNER.format(at),
            macs=tuple(sorted(port.macs)),
            pairs=tuple(sorted(port.pairs)),
            dhcp_server=port.dhcp_server,
            router=port.router,
        )
        for at, (name, port) in enumerate(PORTS.items())
        if port.macs
    ]


def write(
    put: Sequence[SetGuard] = (),
    remove: Iterable[str] = (),
    permitted: Sequence[int] = (),
    generation: int | None = None,
) -> Refused:
    """By a fresh look, if no generation is given."""
    known = guards.read()["generation"] if generation is None else generation
    return guards.write(permitted, known, put, list(remove))


def holder() -> int:
    """The socket that alone may change the table; 0 for none."""
    with NftSocket() as netlink:
        table = reading.read(netlink)[1].get(words.BRIDGE)
    return table.holder if table else 0


def plain_bridge(name: str, *options: str) -> None:
    """As the agent makes them."""
    ip("link", "add", name, "type", "bridge", "mcast_snooping", "0", "stp_state", "0", *options)
    ip("link", "set", name, "addrgenmode", "none", "up")


def needs(*words: str) -> None:
    """Some kernels have no VLANs."""
    try:
        ip(*words)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"ip {' '.join(words)}: {error.stderr.decode().strip()}")


@contextlib.contextmanager
def without_netfilter() -> Iterator[None]:
    """br_netfilter would drop what is wrong in IPv4."""
    switches = {path: path.read_text() for path in BRIDGED.glob("bridge-nf-call-*")}
    for path in switches:
        path.write_text("0")
    yield
    for path, text in switches.items():
        path.write_text(text)


@contextlib.contextmanager
def behind_vlan(nic: str, vlan: int) -> Iterator[End]:
    """The other guest, on another host, in a VLAN of the wire from this NIC, which is made."""
    far = f"far-{nic}"
    ip("link", "add", nic, "type", "veth", "peer", "name", far)
    with removed(nic):
        for device in (nic, far):
            ip("link", "set", device, "addrgenmode", "none", "up")
        needs("link", "add", "link", far, "name", "far-vlan", "type", "vlan", "id", str(vlan))
        ip("link", "set", "far-vlan", "addrgenmode", "none", "up")
        with PacketEnd("far-vlan") as end:
            yield end


@contextlib.contextmanager
def behind_tunnel(vni: int, here: str, there: str) -> Iterator[End]:
    """The other guest, on another host, in a tunnel between these two addresses; the NIC with the
    first is made."""
    ip("link", "add", "under", "type", "veth", "peer", "name", "far-under")
    other = Namespace()
    with contextlib.closing(other), removed("under"):  # it goes with a namespace that has its peer
        ip("link", "set", "far-under", "netns", other.path)
        _addressed("under", here)
        with other.entered():
            _addressed("far-under", there)
            tunnel(vni, there, here, "far-under")
            end = PacketEnd(f"vx{vni}")
        with end:
            yield end


@contextlib.contextmanager
def removed(device: str) -> Iterator[None]:
    try:
        yield
    finally:
        ip("link", "delete", device)


def _addressed(device: str, address: str) -> None:
    ip("address", "add", f"{address}/24", "dev", device)
    ip("link", "set", device, "addrgenmode", "none", "up")


def tunnel(vni: int, local: str, remote: str, device: str) -> None:
    where = ("local", local, "remote", remote, "dstport", TUNNEL_PORT, "dev", device)
    ip("link", "add", f"vx{vni}", "type", "vxlan", "id", str(vni), *where)
    ip("link", "set", f"vx{vni}", "addrgenmode", "none", "up")


@contextlib.contextmanager
def guests(bridge: str) -> Iterator[dict[str, TapEnd]]:
    """Their taps, guarded before they are up."""
    assert write(orders(), permitted=[PERMITTED]) == (0, "")
    with without_netfilter(), contextlib.ExitStack() as stack:
        yield {port: stack.enter_context(tap(device, bridge)) for port, device in DEVICES.items()}


@contextlib.contextmanager
def tap(name: str, bridge: str) -> Iterator[TapEnd]:
    """In the bridge, and up; the host says nothing by it."""
    ip("tuntap", "add", name, "mode", "tap")
    ip("link", "set", name, "addrgenmode", "none", "master", bridge)
    with TapEnd(name, TUN) as end:
        ip("link", "set", name, "up")
        yield end


class Sent(NamedTuple):
    """``moved``: by how much each counter that has moved."""

    arrived: bool
    moved: Mapping[str, int]


def wanted(case: Case) -> Sent:
    """As the table says."""
    counted = {case.counter: 1} if case.counter not in ("", BRIDGE) else {}
    return Sent(not case.counter, counted)


def cases(ports: Container[str]) -> Iterator[Case]:
    return (case for case in CASES if case.port in ports)


def send_all(ends: Mapping[str, End], far: End) -> dict[str, Sent]:
    """All cases of these ports, one by one, by their names."""
    return {f"{case.port}: {case.name}": _send(ends[case.port], far, case) for case in cases(ends)}


def counted(ports: Container[str]) -> dict[str, dict[str, int]]:
    """By device, how many of the table's frames are dropped for each reason."""
    by_device: dict[str, dict[str, int]] = {}
    for case in cases(ports):
        if case.counter in REASONS:
            drops = by_device.setdefault(DEVICES[case.port], {})
            drops[case.counter] = drops.get(case.counter, 0) + 1
    return by_device


def wrong(sent: Mapping[str, Sent], ports: Container[str]) -> dict[str, tuple[Sent, Sent]]:
    """What came of it, and what the table says, where that is not the same."""
    says = {f"{case.port}: {case.name}": wanted(case) for case in cases(ports)}
    assert sent.keys() == says.keys()
    return {name: (sent[name], says[name]) for name in says if sent[name] != says[name]}


def reaches(end: End, far: End, port: str) -> None:
    """Returns when what it may send arrives: taps are up in a moment."""
    mark, deadline = os.urandom(16), time.monotonic() + _GUARD_SECONDS
    while time.monotonic() < deadline:
        with tolerating(*DOWN):
            end.send(fence(port, mark))
        if far.receive(mark, 0.2):
            return
    raise AssertionError(f"nothing of {port} arrives")


def _send(end: End, far: End, case: Case) -> Sent:
    before, mark = guards.dropped(), os.urandom(16)
    end.send(case.frame)
    arrived = _arrives_before(end, far, case.frame, fence(case.port, mark), mark)
    after = guards.dropped()
    return Sent(arrived, {r: n - before[r] for r, n in after.items() if n != before[r]})


def _arrives_before(end: End, far: End, sent: bytes, last: bytes, mark: bytes) -> bool:
    """Frames do not overtake each other: once the last is there, nothing else is to come."""
    end.send(last)
    arrived, deadline = False, time.monotonic() + _GUARD_SECONDS
    while time.monotonic() < deadline:
        data = far.receive(b"", 1)
        if data and mark in data:
            return arrived
        arrived = arrived or data == sent
    raise AssertionError("the frame that must pass has not arrived")
