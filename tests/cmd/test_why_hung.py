"""``vif-agentctl why`` while the agent's loop hangs: whoever asks must not wait for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from tests.support.casting import CONTEXT, MODES, Site, Vif, wait_for
from tests.support.operating import ctl, frozen
from vif_agent.testing.daemon import HOST
from vif_agent.testing.host import ScratchHost

Payload = Callable[[str], Vif]


@pytest.fixture(params=MODES)
def site(request: pytest.FixtureRequest, scratch_with_bus: ScratchHost) -> Iterator[Site]:
    with Site(scratch_with_bus, request.param) as running:
        yield running


def test_who_asks_waits_for_no_work(site: Site, payload: Payload) -> None:
    vif = payload("bridge")
    with frozen(site.daemon.helper_pid()):
        site.plug(vif, wait=None)
        wait_for(lambda: site.api.get_status(CONTEXT, HOST)["round_lasts_s"], "the loop at work")
        said = ctl(site.daemon.config_file, "why", vif["id"])
        assert (said.code, said.err) == (1, "")
        assert re.search(r"now +not looked at: a reconcile lasts \d+ s by now\n", said.out), said
        assert "next        the agent has it on disk and does it" in said.out
    wait_for(lambda: site.port(vif)["state"] == "ready", "the port")
    assert ctl(site.daemon.config_file, "why", vif["id"]).code == 0
