"""``vif-agentctl why``: the stories of docs/why.md, made by a real agent on a real host."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import foreign
from tests.support.casting import CONTEXT, Site, Vif, numbered, wait_for
from tests.support.examples import INSTANCE
from tests.support.operating import Said, ctl, stopped
from vif_agent.ports.event import FAILED, REFUSED, REPAIRED, RETRY
from vif_agent.testing import processes
from vif_agent.testing.daemon import HOST
from vif_agent.testing.host import ScratchHost

Payload = Callable[[str], Vif]

AGENT = str(Path(sys.executable).parent / "vif-agent")
DOC = Path(__file__).parent.parent.parent / "docs" / "why.md"
PLUGIN = """
class Hangs(Plugin):
    contract = "1.0"

    def resources(self, vif):
        while True:
            pass
"""
#: what another run says otherwise
_VARIES = [
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}", "THEN"),
    (r"\(\d+ (s|min|h|d)\)", "(AGO)"),
    (r"generation:? \d+", "generation N"),
    (r"\d+(\.\d+)? ms", "N ms"),
    (r"in \d+(\.\d+)? s\b", "in N s"),
    (r"failed \d+ time", "failed N time"),
    (r"ofport \d+", "ofport N"),
    (r"mac (\w\w:){5}\w\w ->", "mac OTHER ->"),
    (r"not connected to unix:.*", "not connected to unix:..."),
]


@pytest.fixture(scope="module")
def site(scratch_with_bus: ScratchHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    installed = tmp_path_factory.mktemp("installed")
    foreign.package(installed, "acme-plugins", PLUGIN, {"acme": "Hangs"})
    argv = ("env", f"PYTHONPATH={installed}", AGENT)
    options: dict[str, dict[str, object]] = {
        "plugins": {"timeout": 2},
        "vif_agent": {"check_interval": 0, "retry_min": 6, "retry_max": 60},
    }
    with Site(scratch_with_bus, "threading", options, argv=argv) as running:
        yield running


def ip(*arguments: str) -> None:
    processes.run(("ip", *arguments), os.environ)


def events(site: Site, vif: Vif) -> list[str]:
    return [event["what"] for event in site.api.explain_vif(CONTEXT, HOST, vif["id"])["events"]]


def until(site: Site, vif: Vif, what: str) -> None:
    wait_for(lambda: what in events(site, vif), f"event {what}")


def why(site: Site, port: str, *arguments: str) -> Said:
    return ctl(site.daemon.config_file, "why", port, *arguments)


# -- the stories: each makes one, and answers what to call the port ------------------------------


def plain_plug(site: Site, payload: Payload) -> Iterator[str]:
    vif = payload("ovs_hybrid")
    site.plug(vif)
    yield vif["id"][:8]


def repair(site: Site, payload: Payload) -> Iterator[str]:
    vif = numbered(payload("ovs_hybrid"), 2)
    site.plug(vif)
    ip("link", "del", "qvb" + vif["id"][:11])
    until(site, vif, REPAIRED)
    lines = wait_for(lambda: re.findall(r"repaired port=.*", site.daemon.log()), "the log's line")
    assert f"; veth qvb{vif['id'][:11]} was gone; " in lines[0]
    yield "qvo" + vif["id"][:11]


def tap_set_down(site: Site, payload: Payload) -> Iterator[str]:
    vif = payload("bridge")
    site.plug(vif)
    ip("link", "set", vif["devname"], "down")
    until(site, vif, REPAIRED)
    yield vif["devname"]


def conflict(site: Site, payload: Payload) -> Iterator[str]:
    vif = payload("tap")
    name = vif["devname"]
    ip("link", "add", name, "type", "bridge")
    try:
        site.plug(vif, wait=None)
        until(site, vif, FAILED)
        yield vif["id"][:8]
    finally:
        ip("link", "del", name)


def ovsdb_away(site: Site, payload: Payload) -> Iterator[str]:
    vif = numbered(payload("ovs_hybrid"), 3)
    site.host.ovs.kill_ovsdb()
    try:
        site.plug(vif, wait=None)
        until(site, vif, RETRY)
        yield vif["id"][:8]
    finally:
        site.host.ovs.start_ovsdb()
    wait_for(lambda: site.port(vif)["state"] == "ready", "the port")


def plugin_hung(site: Site, payload: Payload) -> Iterator[str]:
    vif = {**numbered(payload("tap"), 4), "type": "acme"}
    site.plug(vif, wait=None)
    until(site, vif, FAILED)
    yield vif["id"][:8]


def stale_cast(site: Site, payload: Payload) -> Iterator[str]:
    vif, before = numbered(payload("bridge"), 5), time.time_ns()
    site.plug(vif)
    site.cast("unplug_vif", instance=INSTANCE, vif=vif, generation=before)
    until(site, vif, REFUSED)
    yield vif["id"][:8]


def adopted(site: Site, payload: Payload) -> Iterator[str]:
    vif = numbered(payload("bridge"), 6)
    ip("tuntap", "add", vif["devname"], "mode", "tap")
    site.plug(vif)
    yield vif["id"][:8]


STORIES = {
    "A plain plug": plain_plug,
    "A repair after `ip link del`": repair,
    "A tap set down by hand": tap_set_down,
    "A conflict": conflict,
    "OVSDB is away": ovsdb_away,
    "A plugin that hung": plugin_hung,
    "A stale cast": stale_cast,
    "An adopted device": adopted,
}


@pytest.mark.parametrize("title", STORIES)
def test_docs_tell_the_story_as_the_agent_does(site: Site, payload: Payload, title: str) -> None:
    for port in STORIES[title](site, payload):
        said = why(site, port)
        assert said.err == "", said
        assert normal(f"# vif-agentctl why {port}\n{said.out}") == normal(_shown(title)), said
    site.unplug_all()


def test_store_tells_the_same_while_no_agent_runs(site: Site, payload: Payload) -> None:
    vif, away = numbered(payload("ovs_hybrid"), 7), numbered(payload("bridge"), 8)
    for each in (vif, away):
        site.plug(each)
    site.unplug(away)
    agents = why(site, vif["id"], "-f", "json").json()
    assert agents == site.api.explain_vif(CONTEXT, HOST, vif["id"])
    with stopped(site.daemon):
        local = why(site, vif["id"], "--local", "-f", "json").json()
        assert local.pop("agent") == "does not run"
        assert local == agents
        of_unplugged = why(site, away["id"][:8], "--local")
        ip("link", "del", "qvo" + vif["id"][:11])
        said = why(site, vif["id"], "--local")
    assert "  unplugged   " in of_unplugged.out
    assert "\nnext        nobody has anything to do\n" in of_unplugged.out
    assert said.code == 1
    assert "            the agent does not run on this host\n" in said.out
    assert "            $ systemctl start vif-agent\n" in said.out


def test_port_that_nobody_knows(site: Site) -> None:
    why(site, "99999999-0000-4000-8000-000000000009").refused("unknown port on scratch")
    why(site, "tapnone").refused("at least the first 8 characters")
    why(site, "tapnothing").refused("unknown port")


def normal(text: str) -> str:
    for what, instead in _VARIES:
        text = re.sub(what, instead, text)
    return text.strip()


def _shown(title: str) -> str:
    section = DOC.read_text().partition(f"## {title}\n")[2].partition("\n## ")[0]
    return section.partition("```\n")[2].partition("```")[0]
