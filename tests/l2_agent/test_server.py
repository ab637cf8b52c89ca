"""What is understood of Neutron's answers, and what is not; and how a thousand ports are told. On
oslo.messaging's bus in memory."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from oslo_config import cfg

from tests.support.casting import numbered, wait_for
from tests.support.neutron_server import ACTIVE, DOWN, Database, NeutronServer
from vif_agent import config, wishes
from vif_agent.errors import NotConfigured, Problem
from vif_agent.l2_agent.agent import L2Agent
from vif_agent.l2_agent.report import of_configuration, state
from vif_agent.l2_agent.server import NotAnswered, Server
from vif_agent.ports.port import PLUG, READY, PortRequest
from vif_agent.ports.store import Store
from vif_agent.testing.daemon import transport

OWN = "192.0.2.1"
MANY = 1000


def configured(path: Path, text: str) -> Any:
    """By a file: what is overridden in one ConfigOpts is so in all that have the same groups."""
    file = path / "vif-agent.conf"
    file.write_text(text)
    conf = cfg.ConfigOpts()
    config.register(conf)
    conf([], default_config_files=[str(file)], default_config_dirs=[])
    return conf


def mapped(devices: Mapping[str, str]) -> str:
    pairs = ",".join(f"{network}:{device}" for network, device in devices.items())
    return f"[network]\nphysical_interface_mappings = {pairs}\n"


@pytest.fixture
def neutron() -> Iterator[NeutronServer]:
    with NeutronServer("fake://", Database(ends={"192.0.2.7": "other"})) as neutron:
        yield neutron


@pytest.fixture
def messaging() -> Iterator[Any]:
    messaging = transport("fake://")
    yield messaging
    messaging.cleanup()


@pytest.fixture
def server(neutron: NeutronServer, messaging: Any) -> Server:
    return Server(messaging, "here")


def test_answers_as_neutron_gives_them(server: Server, neutron: NeutronServer) -> None:
    said = {"agent_type": "a", "binary": "b", "host": "here", "topic": "N/A", "configurations": {}}
    assert server.report_state(said, 10) == "new"
    neutron.failing = {"b"}
    assert server.update_device_list(["a", "b"], ["c"]) == {"b"}
    assert neutron.database.ports == {"a": ACTIVE, "c": DOWN}
    assert server.tunnel_sync(OWN) == {OWN, "192.0.2.7"}


@pytest.mark.parametrize(
    ("method", "answer", "complaint"),
    [
        ("report_state", None, "clocks"),
        ("report_state", {"a": 1}, "not understood"),
        ("report_state", 7, "not understood"),
        ("report_state", ValueError("oh\nmore"), "report_state fails: ValueError: oh"),
        ("update_device_list", None, "not understood"),
        ("update_device_list", ["a"], "not understood"),
        ("update_device_list", {"failed_devices_up": 7}, "not understood"),
        ("update_device_list", {"failed_devices_up": [[]]}, "not understood"),
        ("tunnel_sync", None, "not understood"),
        ("tunnel_sync", {"tunnels": []}, "not understood"),
        ("tunnel_sync", {"tunnels": [{"ip_address": OWN}, {"ip_address": "x"}]}, "not understood"),
        ("tunnel_sync", {"tunnels": [{"ip_address": OWN}, 7]}, "not understood"),
    ],
)
def test_answer_that_is_none_is_to_be_asked_for_again(
    method: str, answer: object, complaint: str, server: Server, neutron: NeutronServer
) -> None:
    neutron.answers[method] = answer if isinstance(answer, Exception) else lambda _: answer
    said = {"agent_type": "a", "binary": "b", "host": "here", "topic": "N/A", "configurations": {}}
    calls: dict[str, Callable[[], Any]] = {
        "report_state": lambda: server.report_state(said, 10),
        "update_device_list": lambda: server.update_device_list(["a"], []),
        "tunnel_sync": lambda: server.tunnel_sync(OWN),
    }
    with pytest.raises(NotAnswered, match=complaint) as caught:
        calls[method]()
    assert "\n" not in str(caught.value)


def test_server_that_is_away_is_not_waited_for_longer_than_asked(messaging: Any) -> None:
    said = {"agent_type": "a", "binary": "b", "host": "here", "topic": "N/A", "configurations": {}}
    with pytest.raises(NotAnswered, match="no server of Neutron's has answered"):
        Server(messaging, "here").report_state(said, 0.1)


def test_thousand_ports_are_told_in_calls_of_twenty(
    neutron: NeutronServer, messaging: Any, store: Store, tmp_path: Path
) -> None:
    conf = configured(tmp_path, "[DEFAULT]\nhost = here\n[neutron]\nenabled = true\n")
    vif = wishes.signed({"devname": "tap", "address": "", "type": "tap"}, wishes.NEUTRON)
    vifs = [numbered(vif, number) for number in range(MANY)]
    store.put([
        PortRequest(
            port_id=v["id"], verb=PLUG, instance={}, vif=v, vif_type="tap", source=wishes.NEUTRON
        )
        for v in vifs
    ])  # fmt: skip
    store.note(dataclasses.replace(port, state=READY) for port in store.live().values())
    drivers: Any = SimpleNamespace(used=SimpleNamespace(name="noop"))
    records: Any = SimpleNamespace(waits=lambda port_id: False)
    agent = L2Agent(conf, messaging, store, records, drivers, None, lambda: None)
    agent._reports.begin()
    agent._telling.begin()
    wait_for(lambda: len(neutron.database.ports) == MANY, "all ports")
    agent._reports.end()
    agent._telling.end()
    assert {len(up) for up, down in neutron.calls} == {20}
    assert set(neutron.database.ports.values()) == {ACTIVE}
    wait_for(lambda: neutron.reports, "a report")
    assert neutron.reports[0]["configurations"]["wishes"] == wishes.digest(vifs)
    assert neutron.reports[0]["configurations"]["devices"] == MANY


def test_more_than_neutron_can_store_is_refused_at_the_start(tmp_path: Path) -> None:
    few = configured(tmp_path, mapped({f"net{n}": f"eth{n}" for n in range(9)}))
    assert of_configuration(few, "noop")["interface_mappings"]["net8"] == "eth8"
    many = configured(tmp_path, mapped({f"physical-network-{n}": f"eth{n}" for n in range(200)}))
    with pytest.raises(NotConfigured, match=r"physical_interface_mappings, .* got "):
        of_configuration(many, "noop")


def test_a_report_is_not_longer_than_what_was_looked_at_at_the_start(tmp_path: Path) -> None:
    empty = of_configuration(configured(tmp_path, ""), "")
    free = 3900 - len(json.dumps(empty)) - len('"": "eth1"')
    text = "[neutron]\nenabled = true\n" + mapped({"n" * free: "eth1"})
    conf = configured(tmp_path, text)
    assert of_configuration(conf, "")
    with pytest.raises(NotConfigured, match="got 3908"):
        L2Agent.of(conf)


def test_of_very_many_failed_ports_a_hundred_are_told() -> None:
    failed = [(f"{n:03}", Problem("host_refused", "no" * 1000)) for n in range(200)]
    told = state("here", {}, failed, [], start=False)["failed"]
    assert len(told) == 100
    assert told["000"] == {"code": "host_refused", "message": "no" * 150}
