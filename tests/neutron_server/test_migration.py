"""Live migration by the bindings API, as nova does it, and in whatever order things happen."""

from __future__ import annotations

import contextlib
import itertools
import struct
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from vif_agent.testing.frames import BROADCAST, End, crosses, frame
from vif_agent.testing.neutron.agree import agree
from vif_agent.testing.neutron.api import Json
from vif_agent.testing.neutron.cloud import Cloud
from vif_agent.testing.neutron.hypervisor import Hypervisor

HasStatus = Callable[[Json, str], None]

#: what happens between nova's asking for a binding on the target and its end: the target's tap
#: appears, nova activates the binding, the source's tap goes
APPEARS, ACTIVATED, GONE = "tap on the target", "activated", "tap gone from the source"
ORDERS = list(itertools.permutations((APPEARS, ACTIVATED, GONE)))
#: the target's binding taken back before, and after, its tap has appeared
ABORTS = [(), (APPEARS,)]


class Migration:
    """Of one port, with its guest, from one host to another."""

    def __init__(
        self, cloud: Cloud, port: Json, source: contextlib.ExitStack, target: Hypervisor
    ) -> None:
        self._cloud, self._port, self._source, self._to = cloud, port, source, target
        self.target = contextlib.ExitStack()

    def step(self, what: str) -> None:
        if what == APPEARS:
            self.target.enter_context(self._to.guest(self._port))
        elif what == ACTIVATED:
            self._cloud.api.activate(self._port["id"], self._to.name)
        else:
            self._source.close()


@pytest.mark.parametrize("order", ORDERS, ids=" - ".join)
def test_port_is_migrated(
    cloud: Cloud, one: Hypervisor, two: Hypervisor, has_status: HasStatus, order: tuple[str, ...]
) -> None:
    port = cloud.port(cloud.network(), "one")
    with contextlib.ExitStack() as source:
        source.enter_context(one.guest(port))
        has_status(port, "ACTIVE")
        cloud.nova.forget()
        assert cloud.api.bind(port["id"], "two")["vif_type"] == "tap"
        agree(cloud, one, two)
        migration = Migration(cloud, port, source, two)
        with migration.target:
            for what in order:
                migration.step(what)
                if what == APPEARS and order[0] == APPEARS:
                    cloud.nova.wait(port["id"], "network-vif-plugged")
            has_status(port, "ACTIVE")
            cloud.api.unbind(port["id"], "one")
            agree(cloud, one, two)
            assert set(cloud.api.bindings(port["id"])) == {"two"}


@pytest.mark.parametrize("before", ABORTS, ids=["at once", "when the tap was there"])
def test_migration_is_aborted(
    cloud: Cloud, one: Hypervisor, two: Hypervisor, has_status: HasStatus, before: tuple[str, ...]
) -> None:
    port = cloud.port(cloud.network(), "one")
    with one.guest(port), contextlib.ExitStack() as source:
        has_status(port, "ACTIVE")
        cloud.api.bind(port["id"], "two")
        migration = Migration(cloud, port, source, two)
        with migration.target:
            for what in before:
                migration.step(what)
                agree(cloud, one, two)
        cloud.api.unbind(port["id"], "two")
        agree(cloud, one, two)
        has_status(port, "ACTIVE")


def test_migration_is_rolled_back_when_the_guest_cannot_go_on(
    cloud: Cloud, one: Hypervisor, two: Hypervisor, has_status: HasStatus
) -> None:
    """Activated on the target, then on the source again."""
    port = cloud.port(cloud.network(), "one")
    with one.guest(port), two.guest(port):
        cloud.api.bind(port["id"], "two")
        cloud.api.activate(port["id"], "two")
        agree(cloud, one, two)
        cloud.api.activate(port["id"], "one")
        agree(cloud, one, two)
        has_status(port, "ACTIVE")
    cloud.api.unbind(port["id"], "two")
    agree(cloud, one, two)


def test_port_deleted_while_it_migrates_is_gone_from_both_hosts(
    cloud: Cloud, one: Hypervisor, two: Hypervisor, has_status: HasStatus
) -> None:
    port = cloud.port(cloud.network(), "one")
    with one.guest(port), two.guest(port):
        has_status(port, "ACTIVE")
        cloud.api.bind(port["id"], "two")
        agree(cloud, one, two)
    cloud.api.delete("port", port["id"])
    agree(cloud, one, two)


@pytest.mark.parametrize("kind", ["flat", "vxlan"])
def test_peer_of_a_migrated_guest_hears_it_there_and_back_again(
    cloud: Cloud, one: Hypervisor, two: Hypervisor, has_status: HasStatus, kind: str
) -> None:
    network = cloud.network(kind)
    peer, port = cloud.port(network, "one"), cloud.port(network, "one")
    with one.guest(peer) as listener, contextlib.ExitStack() as guest:
        guest.enter_context(one.guest(port))
        agree(cloud, one, two)
        for source, target in ((one, two), (two, one)):
            cloud.api.bind(port["id"], target.name)
            with contextlib.ExitStack() as arrived:
                end = arrived.enter_context(target.guest(port))
                agree(cloud, one, two)
                cloud.api.activate(port["id"], target.name)
                guest.close()
                cloud.api.unbind(port["id"], source.name)
                has_status(port, "ACTIVE")
                assert crosses(end, listener, source_mac=port["mac_address"])
                agree(cloud, one, two)
                guest.push(arrived.pop_all())


@pytest.mark.parametrize("kind", ["flat", "vxlan"])
def test_longest_gap_of_a_migration(
    cloud: Cloud, one: Hypervisor, two: Hypervisor, kind: str, figures: Callable[[str], None]
) -> None:
    """A peer goes on sending. The guest is there when it has announced itself, as QEMU does it,
    and what nova does afterwards at Neutron cuts nothing."""
    network = cloud.network(kind)
    peer, port = cloud.port(network, "one"), cloud.port(network, "one")
    sent = frame(peer["mac_address"], port["mac_address"], _SENT)
    with one.guest(peer) as far, contextlib.ExitStack() as source:
        left = source.enter_context(one.guest(port))
        agree(cloud, one, two)
        assert crosses(left, far, source_mac=port["mac_address"])
        cloud.api.bind(port["id"], "two")
        with two.guest(port) as arrived:
            agree(cloud, one, two)
            with repeated(lambda: far.send(sent)):
                assert left.receive(_SENT, 20)
                paused = time.monotonic()
                arrived.send(announcement(port["mac_address"]))
                assert arrived.receive(_SENT, 20)
                gap = time.monotonic() - paused
                with listening(arrived, _SENT) as gaps:
                    cloud.api.activate(port["id"], "two")
                    source.close()
                    cloud.api.unbind(port["id"], "one")
                    agree(cloud, one, two)
            assert max(gaps) < _NO_SECONDS
            figures(
                f"migration on {kind}: {gap * 1000:.0f} ms from the pause to the first frame on the"
                f" target, then none longer than {max(gaps) * 1000:.0f} ms"
            )


_SENT = b"to the guest"
_NO_SECONDS = 20  # a hang; a busy machine sends late


def announcement(mac: str) -> bytes:
    """QEMU's, of a guest that runs here from now on: a RARP request for itself."""
    own = bytes.fromhex(mac.replace(":", ""))
    who = (own + bytes(4)) * 2
    return frame(mac, BROADCAST, struct.pack("!HHBBH", 1, 0x0800, 6, 4, 3) + who, 0x8035)


@contextlib.contextmanager
def repeated(act: Callable[[], object]) -> Iterator[None]:
    """Every few milliseconds, meanwhile."""
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(0.002):
            act()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextlib.contextmanager
def listening(end: End, mark: bytes) -> Iterator[list[float]]:
    """Seconds between two such frames that come meanwhile; filled when it is over."""
    ended, gaps = threading.Event(), [0.0]

    def run() -> None:
        last = time.monotonic()
        while not ended.is_set():
            came = end.receive(mark, 0.5)
            gaps.append(time.monotonic() - last)
            last = time.monotonic() if came else last

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield gaps
    finally:
        ended.set()
        thread.join()
