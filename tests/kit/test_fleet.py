"""What scripts/fleet counts, and what it makes of that; the day itself is scripts/fleet's own."""

from __future__ import annotations

import time
from pathlib import Path

from fleet import audit, noted
from fleet.agents import Agents
from fleet.broker import _PAIR
from fleet.host import LightHost
from fleet.wishes import Wish, Wishes
from tests.support.casting import wait_for
from vif_agent.ports.port import PLUG, PortRequest
from vif_agent.ports.store import Store
from vif_agent.resources import Tap


def request(number: int, generation: int) -> PortRequest:
    return PortRequest(
        port_id=f"{number:08x}-0000-4000-8000-000000000000", verb=PLUG, generation=generation
    )


def test_agent_on_a_host_in_memory_starts_as_any_other(tmp_path: Path) -> None:
    """As far as that goes without a broker: it has looked at its host, and would join."""
    state = tmp_path / "host-1" / "state"
    state.mkdir(parents=True)
    config = state.parent / "vif-agent.conf"
    config.write_text(
        f"[DEFAULT]\nhost = host-1\ntransport_url = fake:/\nstate_path = {state}\n"
        "[firewall]\ndriver = noop\n"
    )
    with Agents(tmp_path, {"host-1": config}) as agents:
        agents.start(["host-1"])
        wait_for(lambda: "Cannot join" in agents.log("host-1") or agents.unwell(), "a try to join")
        assert agents.unwell() == []
        agents.stop(["host-1"])
    log = agents.log("host-1")
    assert "Stopped" in log
    assert "Traceback" not in log


def test_casts_are_noted_once_when_they_are_on_disk(tmp_path: Path) -> None:
    store, file = Store(tmp_path / "store.sqlite"), tmp_path / "ages"
    store.counted = noted.Noted(file)
    begin = time.time_ns()
    store.commit([request(1, 7), request(2, 8)])
    assert list(noted.read(file)) == []
    store.sync()
    assert [cast for _, cast in noted.read(file)] == [7, 8]
    store.put([request(3, 9)])
    store.sync()
    assert [cast for _, cast in noted.read(file)] == [7, 8, 9]
    assert all(begin <= stored <= time.time_ns() for stored, _ in noted.read(file))
    store.close()


def test_devices_outlive_an_agent_that_stops_and_not_one_that_is_killed(tmp_path: Path) -> None:
    host = LightHost(tmp_path, "br-int")
    host.add_link(Tap(name="tap1"), owner="shared")
    assert not LightHost(tmp_path, "br-int").snapshot().keys() - host.clean
    host.stop()
    assert LightHost(tmp_path, "br-int").snapshot() == host.snapshot()
    assert not LightHost(tmp_path, "br-int").snapshot().keys() - host.clean  # killed since


def test_audit_sees_what_is_lost_late_or_otherwise() -> None:
    vif = Wishes(["a"], 1).new()
    wish = Wish(vif, plugged=True, generation=5)
    well = {"generation": 5, "state": "ready", "error": None}
    assert audit.wrong(wish, well) == ""
    assert audit.wrong(wish, None).startswith("unknown")
    assert audit.wrong(wish, {**well, "generation": 4}) == "the cast 5 has not come, it is at 4"
    assert audit.wrong(wish, {**well, "state": "pending"}).startswith("pending, not ready")


def test_brokers_figures_are_read_off_its_words() -> None:
    said = "[{connections,12},\n {queues,4},{total,[{erlang,5}]},{rate,1.5}]"
    assert dict(_PAIR.findall(said)) == {"connections": "12", "queues": "4", "erlang": "5"}
