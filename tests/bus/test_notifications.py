"""Notifications while the broker is away, or has lost their queue: none is lost, in both modes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from tests.support.casting import MODES, Notices, Site, Vif, numbered, wait_for
from tests.support.real_host import ip
from vif_agent import bus
from vif_agent.testing.host import ScratchHost

pytestmark = pytest.mark.broker

INFO, ERROR = (f"{bus.NOTIFICATION_TOPIC}.{priority}" for priority in ("info", "error"))
MANY = 5


@pytest.fixture(params=MODES)
def site(request: pytest.FixtureRequest, scratch_with_bus: ScratchHost) -> Iterator[Site]:
    with Site(scratch_with_bus, request.param) as running:
        yield running


def test_what_happens_while_the_broker_is_away_is_told_later(
    site: Site, payload: Callable[[str], Vif]
) -> None:
    vifs = [numbered(payload("tap"), 2200 + n) for n in range(MANY)]
    before = _waiting(site)
    for vif in vifs:
        site.plug(vif)
    wait_for(lambda: _waiting(site) == before + MANY, "the word of each plug")
    site.rabbit.kill()
    for vif in vifs:
        ip("link", "del", vif["devname"])
        wait_for(lambda vif=vif: vif["devname"] in site.host.links(), "a repair")  # type: ignore[misc]
    wait_for(lambda: "Notifications wait" in site.daemon.log(), "the word of it")
    site.rabbit.start()
    with Notices(site.rabbit.url) as notices:
        reported = [notices.next(lambda payload: True) for _ in vifs]
    assert [event for _, event, _ in reported] == ["vif.repair.end"] * MANY
    assert [view["port_id"] for _, _, view in reported] == [vif["id"] for vif in vifs]
    assert site.daemon.log().count("Notifications wait") == 1
    site.rejoined()


def test_next_event_after_the_queue_was_deleted_is_told(
    site: Site, payload: Callable[[str], Vif]
) -> None:
    for vif in (payload("tap"), payload("unbound")):
        site.plug(vif, wait=None)
    for queue in (INFO, ERROR):
        wait_for(lambda queue=queue: site.rabbit.queue_length(queue), "a first event")  # type: ignore[misc]
        site.rabbit.ctl("delete_queue", queue)
    site.unplug(payload("tap"))
    site.plug(payload("unbound"), wait=None)
    for queue in (INFO, ERROR):
        wait_for(lambda queue=queue: site.rabbit.queue_length(queue) == 1, "the next event")  # type: ignore[misc]
    with Notices(site.rabbit.url) as notices:
        events = {notices.next(lambda payload: True)[1] for _ in range(2)}
    assert events == {"vif.unplug.end", "vif.plug.error"}


def _waiting(site: Site) -> int:
    """Notifications for subscribers, of which there are none yet."""
    with contextlib.suppress(LookupError):  # nobody has declared it
        return site.rabbit.queue_length(INFO)
    return 0
