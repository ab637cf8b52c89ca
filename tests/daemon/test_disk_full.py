"""A full disk: casts wait at the broker, and nothing is lost."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.casting import CONTEXT, MODES, QUEUE, Site, Vif, numbered, wait_for
from vif_agent.testing import processes
from vif_agent.testing.daemon import HOST
from vif_agent.testing.host import ScratchHost

pytestmark = pytest.mark.broker
COMPLAINT = "Casts wait unacknowledged until there is room"
RESTORED = "No more casts are taken from the broker"
MANY = 40  # casts: more than the store's slack takes


@pytest.fixture
def small_disk(scratch_with_bus: ScratchHost) -> Iterator[Path]:
    """In the session's own mount namespace.

    With room for the store's log, which grows to 4 MiB, when the ballast is gone.
    """
    path = scratch_with_bus.directory / "disk"
    path.mkdir(exist_ok=True)
    processes.run(("mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(path)), os.environ)
    try:
        yield path
    finally:
        # the helper, which holds the lock, may end after the agent
        wait_for(lambda: not processes.run(("umount", str(path)), os.environ), "nobody on it")


@pytest.fixture(params=MODES)
def site(
    request: pytest.FixtureRequest, scratch_with_bus: ScratchHost, small_disk: Path
) -> Iterator[Site]:
    state = small_disk / "state"
    with Site(scratch_with_bus, request.param, state_path=state) as running:
        yield running


@pytest.fixture
def vifs(payload: Callable[[str], Vif]) -> list[Vif]:
    return [numbered(payload("tap"), 2000 + n) for n in range(MANY)]


@pytest.mark.parametrize("killed", [False, True])
def test_full_disk_loses_no_cast(
    site: Site, vifs: list[Vif], small_disk: Path, killed: bool
) -> None:
    ballast = _fill(small_disk)
    for vif in vifs:
        site.plug(vif, wait=None)
    wait_for(lambda: COMPLAINT in site.daemon.log(), "a complaint")
    assert site.rabbit.queue_length(QUEUE) > 0
    assert site.daemon.alive()
    if killed:
        site.daemon.kill()
        wait_for(lambda: site.rabbit.queue_length(QUEUE) > 0, "the casts with the broker")
        ballast.unlink()
        site.daemon.start()
    else:
        assert site.daemon.log().count(COMPLAINT) == 1
        ballast.unlink()
    site.settled()
    assert {vif["devname"] for vif in vifs} <= site.host.links().keys()
    assert site.states() == {"ready"}


def test_casts_without_room_go_back_to_the_broker(
    site: Site, vifs: list[Vif], small_disk: Path
) -> None:
    """RabbitMQ ends the channel of who holds a message for half an hour (consumer_timeout)."""
    ballast = _fill(small_disk)
    for vif in vifs:
        site.plug(vif, wait=None)
    wait_for(lambda: RESTORED in site.daemon.log(), "the word of it")
    wait_for(lambda: _held(site) == 0, "nothing that is held unacknowledged")
    assert site.rabbit.queue_length(QUEUE) > 0
    site.plug(vifs[0], wait=None)
    assert _held(site) == 0, "the next cast is not taken either"
    assert site.api.get_status(CONTEXT, HOST)["casts_wait"]
    ballast.unlink()
    site.settled()
    assert {vif["devname"] for vif in vifs} <= site.host.links().keys()
    assert site.api.get_status(CONTEXT, HOST)["casts_wait"] is None
    assert "acknowledge" not in site.daemon.log().replace(COMPLAINT, "")


def _held(site: Site) -> int:
    """What is delivered and not acknowledged, and who would be delivered more."""
    columns = ("name", "messages_unacknowledged", "consumers")
    table = site.rabbit.ctl("-q", "--no-table-headers", "list_queues", *columns)
    rows = {row[0]: row[1:] for row in map(str.split, table.splitlines())}
    return sum(map(int, rows[QUEUE]))


def _fill(disk: Path) -> Path:
    """To the last byte."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        while True:
            try:
                file.write(bytes(4096))
            except OSError:
                return ballast


def test_start_on_a_full_disk_is_tried_again(site: Site, vifs: list[Vif], small_disk: Path) -> None:
    """Status 1, with which systemd starts it anew; 2 would be the end of it."""
    site.plug(vifs[0])
    site.daemon.stop()
    for end in ("-wal", "-shm"):  # as after a reboot that has closed the store
        Path(site.daemon.state_path, f"vif-agent.sqlite{end}").unlink(missing_ok=True)
    ballast = _fill(small_disk)
    logged = len(site.daemon.log())
    try:
        site.daemon.launch()
        assert site.daemon.process
        assert site.daemon.process.wait(60) == 1
    finally:
        ballast.unlink()
    (line,) = [line for line in site.daemon.log()[logged:].splitlines() if "Cannot" in line]
    assert "Cannot start: store: " in line
    site.daemon.start()
    assert site.port(vifs[0])["state"] == "ready"
