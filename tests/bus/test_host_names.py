"""``host`` is nova's, and to nova an opaque string."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.casting import CONTEXT, MODES, Vif
from tests.support.examples import INSTANCE
from vif_agent.bus.api import VifAgentAPI
from vif_agent.testing.daemon import Daemon, transport
from vif_agent.testing.host import ScratchHost

pytestmark = pytest.mark.broker


@pytest.mark.parametrize("concurrency", MODES)
@pytest.mark.parametrize("name", ["compute_1", "cell1@Büro 3, rack #2/b"])
def test_any_name_that_a_queue_can_bear(
    scratch_with_bus: ScratchHost, payload: Callable[[str], Vif], concurrency: str, name: str
) -> None:
    assert scratch_with_bus.rabbit
    url = scratch_with_bus.rabbit.url
    options = {"DEFAULT": {"host": name}, "vif_agent": {"concurrency": concurrency}}
    messaging = transport(url)
    api = VifAgentAPI(transport=messaging)
    try:
        with Daemon(scratch_with_bus, url, options):
            for does, aim in ((api.plug_vif, "ready"), (api.unplug_vif, "unplugged")):
                view = does(CONTEXT, name, INSTANCE, payload("tap"), wait=60)
                assert view
                assert view["state"] == aim
            assert api.get_status(CONTEXT, name)["host"] == name
    finally:
        messaging.cleanup()
