"""vif-agentctl and a running agent, over a real RabbitMQ."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.casting import CONTEXT, Site, Vif, numbered, wait_for
from tests.support.examples import INSTANCE, PAYLOADS
from tests.support.operating import Said, ctl
from vif_agent import __version__
from vif_agent.ownership import alias
from vif_agent.testing import processes
from vif_agent.testing.daemon import HOST
from vif_agent.testing.host import ScratchHost

Payload = Callable[[str], Vif]

LIST = ["port", "vif_type", "state", "devices", "ms", "error"]
STRANGER = "99999999-0000-4000-8000-000000000009"


@pytest.fixture(scope="module")
def site(scratch_with_bus: ScratchHost) -> Iterator[Site]:
    options: dict[str, dict[str, object]] = {"cleanup": {"interval": 3600}}
    with Site(scratch_with_bus, "threading", options) as running:
        yield running


@pytest.fixture
def in_error(site: Site, payload: Payload) -> Iterator[Vif]:
    vif = {**payload("unbound"), "id": "5843eca1-0000-4000-8000-000000000000"}
    site.plug(vif, wait=None)
    wait_for(lambda: site.port(vif)["state"] == "error", "a port in error")
    yield vif
    site.unplug(vif)


@pytest.fixture
def orphan(site: Site) -> Iterator[str]:
    """A device with our owner tag, of a port that no request is known of."""
    name = "tap99999999-00"
    processes.run(("ip", "link", "add", name, "type", "bridge"), os.environ)
    processes.run(("ip", "link", "set", name, "alias", alias(STRANGER)), os.environ)
    site.api.repair(CONTEXT, HOST)
    wait_for(lambda: site.api.list_orphans(CONTEXT, HOST), "the orphan in the agent's list")
    yield name
    processes.run(("ip", "link", "del", name), os.environ)
    site.api.repair(CONTEXT, HOST)
    wait_for(lambda: not site.api.list_orphans(CONTEXT, HOST), "no orphan")


def run(site: Site, *arguments: str, **more: Any) -> Said:
    return ctl(site.daemon.config_file, *arguments, **more)


def test_list_as_table(site: Site, plugged: Vif, in_error: Vif) -> None:
    output = run(site, "list")
    assert (output.code, output.err) == (0, ""), output
    heading, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in output.out.splitlines()
        if line.startswith("|")
    ]
    assert heading == [name.upper() for name in LIST]
    assert [row[0] for row in rows] == [plugged["id"], in_error["id"]]
    assert rows[0][1:4] == ["ovs", "ready", ", ".join(site.port(plugged)["devices"])]
    assert rows[0][5] == "-"
    assert rows[1][2:4] == ["error", "-"]
    assert rows[1][5].startswith("binding_refused: ")


def test_list_for_machines(site: Site, plugged: Vif, in_error: Vif) -> None:
    ports = site.api.list_vifs(CONTEXT, HOST)
    fields = ["port_id", "vif_type", "state", "devices", "elapsed_ms", "error"]
    wanted = [dict(zip(LIST, (p[f] for f in fields), strict=True)) for p in ports]
    assert run(site, "list", "-f", "json").json() == wanted
    assert yaml.safe_load(run(site, "list", "-f", "yaml").out) == wanted
    rows = list(csv.DictReader(io.StringIO(run(site, "list", "-f", "csv").out)))
    assert [row["port"] for row in rows] == [plugged["id"], in_error["id"]]
    assert list(rows[0]) == LIST
    values = run(site, "list", "-f", "value", "-c", "port", "-c", "state").out.splitlines()
    assert values == [f"{plugged['id']} ready", f"{in_error['id']} error"]


def test_list_with_those_unplugged(site: Site, payload: Payload) -> None:
    vif = numbered(payload("tap"), 1)
    site.plug(vif)
    site.unplug(vif)
    assert vif["id"] not in run(site, "list").out
    ports = {p["port"]: p["state"] for p in run(site, "list", "--unplugged", "-f", "json").json()}
    assert ports[vif["id"]] == "unplugged"


@pytest.mark.parametrize("length", [8, 11, 36])
def test_show_by_the_beginning_of_the_uuid(site: Site, plugged: Vif, length: int) -> None:
    start = plugged["id"][:length].upper()
    assert run(site, "show", start, "-f", "json").json() == site.port(plugged)
    table = run(site, "show", start).out
    assert ", ".join(site.port(plugged)["devices"]) in table


def test_show_of_no_port_or_of_two(site: Site, plugged: Vif, in_error: Vif) -> None:
    line = run(site, "show", "5843eca1").refused("ambiguous")
    assert plugged["id"] in line
    assert in_error["id"] in line
    assert run(site, "show", "5843eca1-e").code == 0
    run(site, "show", "12345678").refused("12345678: unknown port on scratch")
    run(site, "show", STRANGER).refused(f"{STRANGER}: unknown port")
    run(site, "show", "5843eca").refused("at least the first 8 characters")
    site.unplug(in_error)  # from now on the other is meant
    assert run(site, "show", "5843eca1", "-f", "json").json() == site.port(plugged)


@pytest.mark.parametrize("with_instance", [True, False])
def test_plan_of_a_plug(site: Site, payload: Payload, with_instance: bool) -> None:
    vif = payload("ovs_create_tap")
    instance = INSTANCE if with_instance else {}
    wanted = site.api.plan(CONTEXT, HOST, "plug_vif", instance, vif)
    assert "make ovs-port" in wanted["text"]
    given = {"instance": instance, "vif": vif} if with_instance else vif
    for arguments in ((), ("-",)):
        output = run(site, "plan", "plug", *arguments, stdin=given)
        assert (output.code, output.out, output.err) == (0, wanted["text"] + "\n", "")
    assert run(site, "plan", "plug", "--json", stdin=given).json() == wanted["steps"]


def test_plan_from_a_file(site: Site, plugged: Vif) -> None:
    file = str(PAYLOADS / "ovs_hybrid.json")
    assert run(site, "plan", "plug", file, "--json").json()["grow"] == []
    output = run(site, "plan", "unplug", file)
    wanted = site.api.plan(CONTEXT, HOST, "unplug_vif", {}, plugged)["text"]
    assert output.out == wanted + "\n"
    assert "delete: remove veth qvb5843eca1-e1" in wanted


def test_plan_of_a_set(site: Site, payload: Payload, plugged: Vif) -> None:
    tap = payload("tap")
    for complete in (False, True):
        wanted = site.api.plan(CONTEXT, HOST, "sync_vifs", vifs=[tap], complete=complete)
        option = ("--complete",) if complete else ()
        output = run(site, "plan", "sync", *option, stdin=[tap])
        assert output.out == wanted["text"] + "\n"
        assert ("remove" in output.out) == complete
        assert run(site, "plan", "sync", *option, "--json", stdin=[tap]).json() == wanted["steps"]


def test_plan_of_what_is_refused(site: Site, tmp_path: Path) -> None:
    output = run(site, "plan", "plug", stdin={"id": "nonsense"})
    assert (output.code, output.err) == (1, "")
    assert output.out.startswith("refused: vif.id")
    run(site, "plan", "plug", stdin="{").refused("-: is not JSON")
    run(site, "plan", "plug", str(tmp_path / "none.json")).refused("none.json: No such file")


def test_check(site: Site, plugged: Vif, in_error: Vif) -> None:
    output = run(site, "check", plugged["id"])
    assert (output.code, output.out) == (0, f"{plugged['id']} ready: as desired\n")
    output = run(site, "check", in_error["id"])
    assert (output.code, output.err) == (1, "")
    assert "binding_refused" in output.out
    run(site, "check", STRANGER).refused("unknown port")
    answer = run(site, "check", plugged["id"], "--json").json()
    assert answer == site.api.check_vif(CONTEXT, HOST, plugged["id"])


def test_check_warns_of_what_stops_the_frames_of_a_port_that_is_as_desired(
    site: Site, plugged: Vif
) -> None:
    inner = "qvb" + plugged["id"][:11]
    isolate = ("ip", "link", "set", inner, "type", "bridge_slave", "isolated")
    processes.run((*isolate, "on"), os.environ)
    output = run(site, "check", plugged["id"])
    lines = [f"{plugged['id']} ready: as desired", f"warning: {inner}: isolated on"]
    assert (output.code, output.out.splitlines()) == (0, lines)
    processes.run((*isolate, "off"), os.environ)
    assert "warning" not in run(site, "check", plugged["id"]).out


def test_check_cannot_answer_without_ovsdb(site: Site, plugged: Vif) -> None:
    site.host.ovs.kill_ovsdb()
    try:
        output = run(site, "check", plugged["id"])
        local = run(site, "check", plugged["id"], "--local")
        run(site, "cleanup", "--dry-run").refused("the agent on scratch says: ovsdb: ")
    finally:
        site.host.ovs.start_ovsdb()
    assert (output.code, local.code) == (2, 2), (output, local)
    assert "Traceback" not in site.daemon.log()
    assert "ovsdb: not connected" in output.out
    wait_for(lambda: run(site, "check", plugged["id"]).code == 0, "a port as desired")


def test_repair_asks_the_agent(site: Site, plugged: Vif) -> None:
    output = run(site, "repair", "5843eca1-e1f")
    assert (output.code, output.err) == (0, "")
    assert f"scratch reconciles port {plugged['id']}" in output.out
    assert "reconciles all its ports" in run(site, "repair").out
    run(site, "repair", STRANGER).refused("unknown port")


def test_orphans_and_cleanup(site: Site, orphan: str) -> None:
    listed = run(site, "orphans", "-f", "json").json()
    reported = site.api.list_orphans(CONTEXT, HOST)[0]
    assert listed == [{"port": reported.pop("port_id"), **reported}]
    assert (listed[0]["port"], listed[0]["devices"]) == (STRANGER, [orphan])
    assert listed[0]["sightings"] == 1
    table = run(site, "orphans").out
    assert "| PORT " in table
    assert orphan in table
    dry = run(site, "cleanup", "--dry-run")
    assert (dry.code, dry.out) == (0, "nothing to do\n")
    assert run(site, "plan", "cleanup").out == dry.out
    off = run(site, "cleanup")
    assert (off.code, off.err) == (1, "")
    assert "clean-up is off" in off.out
    assert orphan in site.host.links()


def test_status_and_plugins(site: Site, plugged: Vif) -> None:
    status = run(site, "status", "-f", "json").json()
    assert status == {"agent": "runs", **site.api.get_status(CONTEXT, HOST)}
    assert (status["host"], status["version"]) == (HOST, __version__)
    assert (status["ports"]["ready"], status["orphans"]) == (1, 0)
    assert "ready: 1" in run(site, "status").out
    lines = run(site, "plugin", "list", "-f", "json").json()
    plugins = {line["vif_type"]: line for line in lines}
    assert {"ovs", "bridge", "tap"} <= plugins.keys()
    assert plugins["ovs"] == {
        "vif_type": "ovs", "plugin": "ovs", "package": f"vif-agent {__version__}",
        "contract": "1.0", "deprecated": None, "error": None, "kind": "plugin",
    }  # fmt: skip
    drivers = {line["plugin"]: line["kind"] for line in lines if line["kind"] != "plugin"}
    assert drivers == {"nftables": "firewall driver, used", "noop": "firewall driver"}


def test_only_the_transport_url_is_needed(site: Site, plugged: Vif, tmp_path: Path) -> None:
    """As on a controller, with any service's file."""
    file = tmp_path / "nova.conf"
    file.write_text(f"[DEFAULT]\ntransport_url = {site.rabbit.url}\n")
    ports = ctl(file, "--host", HOST, "list", "-f", "json").json()
    assert [port["port"] for port in ports] == [plugged["id"]]
    line = ctl(file, "list").refused("no agent on ")
    assert f"has joined the bus (127.0.0.1:{site.rabbit.port})" in line


def test_leaves_no_queue_behind_for_long(site: Site) -> None:
    before = _reply_queues(site)
    run(site, "status")
    left = _reply_queues(site) - before
    assert len(left) == 1
    assert all('"x-expires",60000' in queue for queue in left)


def _reply_queues(site: Site) -> set[str]:
    table = site.rabbit.ctl("-q", "--no-table-headers", "list_queues", "name", "arguments")
    return {line for line in table.splitlines() if line.startswith("reply_")}


def test_help_and_version(site: Site) -> None:
    assert run(site, "--version").out == f"vif-agentctl {__version__}\n"
    for argument in ("--help", "help"):
        output = run(site, argument)
        assert (output.code, output.err) == (0, "")
        assert "plan cleanup" in output.out
    assert "--unplugged" in run(site, "list", "--help").out
    run(site, "lisst").refused("lisst")
    assert "which command?" in run(site).err


def test_debug_and_log_file(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "log"
    output = run(site, "--debug", "--log-file", str(file), "show", STRANGER)
    for log in (output.err, file.read_text()):
        assert "Traceback" in log
        assert "Calling RPC method get_vif" in log
    assert json.loads(run(site, "--debug", "list", "-f", "json").out) == []
