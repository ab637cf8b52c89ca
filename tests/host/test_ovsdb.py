"""The OVSDB side against a real ovsdb-server and ovs-vswitchd that come, go and are killed."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.casting import wait_for
from tests.support.real_host import OTHER, PORT, row, rows, sweep
from vif_agent.errors import OvsdbUnavailable, Problem
from vif_agent.host.ovs.ovsdb import Ovsdb
from vif_agent.ownership import Found
from vif_agent.plan.diff import diff
from vif_agent.plan.merge import merge
from vif_agent.plan.steps import Actual
from vif_agent.resources import OVS_PORT, Key, OvsBridge, OvsPort, Resource
from vif_agent.testing.host import ScratchHost
from vif_agent.testing.ovs import PrivateOvs
from vif_agent.testing.ovsdb_log import OvsdbLog

Told = queue.Queue[frozenset[Key] | None]


class Client:
    """An Ovsdb and what it has told."""

    def __init__(self, connection: str, timeout: float = 10) -> None:
        self.reported: Told = queue.Queue()
        self.ovsdb = Ovsdb(connection, timeout, self.reported.put)
        self.ovsdb.start()

    def hears(self, wanted: Callable[[frozenset[Key] | None], bool], timeout: float = 20) -> bool:
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            try:
                if wanted(self.reported.get(timeout=left)):
                    return True
            except queue.Empty:
                break
        return False

    def finds(self, name: str, wanted: Callable[[Found], bool]) -> bool:
        """Is it told of the port, and is then what is wanted of it?"""
        port = Key(OVS_PORT, name)

        def seen(keys: frozenset[Key] | None) -> bool:
            if keys is None or port not in keys:
                return False
            found = self.ovsdb.read([port]).get(port)
            return found is not None and wanted(found)

        return self.hears(seen)

    def finds_ready(self, name: str) -> bool:
        return self.finds(name, lambda found: found.ready)

    def connects(self) -> bool:
        return self.hears(lambda keys: keys is None)

    def make(self, *resources: Resource, port: str = PORT) -> dict[Key, Problem]:
        return self.make_all({port: resources})

    def make_all(self, requests: dict[str, tuple[Resource, ...]]) -> dict[Key, Problem]:
        wanted = merge(requests)[0]
        plan = diff(wanted, {}, Actual(self.ovsdb.read(list(wanted))))
        return self.ovsdb.apply(plan.connect) if plan.connect else {}


@pytest.fixture
def ovs(scratch: ScratchHost) -> Iterator[PrivateOvs]:
    yield scratch.ovs
    sweep(scratch)


@pytest.fixture
def client(ovs: PrivateOvs) -> Iterator[Client]:
    client = Client(ovs.connection)
    assert client.connects()
    yield client
    client.ovsdb.stop()


def internal(name: str = "in0", **fields: object) -> OvsPort:
    given: dict[str, object] = {"bridge": "br-int", "interface_type": "internal", **fields}
    return OvsPort(name=name, **given)  # type: ignore[arg-type]


def key(name: str = "in0") -> Key:
    return Key(OVS_PORT, name)


def writes(events: list[str]) -> list[str]:
    """The transactions: each of ours adds one to next_cfg."""
    return [event for event in events if "next_cfg" in event]


# The connection


def test_connect_to_a_server_that_starts_later(namespace: None, tmp_path: Path) -> None:
    ovs = PrivateOvs(tmp_path)
    client = Client(ovs.connection, timeout=3)
    try:
        with pytest.raises(OvsdbUnavailable, match=f"not connected to {ovs.connection}: "):
            client.ovsdb.read([key()])
        ovs.start_ovsdb()
        assert client.connects()
        ovs.vsctl("--no-wait", "add-br", "br-late")
        late = [Key("ovs-bridge", "br-late")]
        wait_for(lambda: client.ovsdb.read(late), "the bridge in the replica")
    finally:
        client.ovsdb.stop()
        ovs.stop()


def test_server_killed_and_restarted(namespace: None, tmp_path: Path) -> None:
    ovs = PrivateOvs(tmp_path)
    ovs.start_ovsdb()
    ovs.vsctl("--no-wait", "add-br", "br-int")
    client = Client(ovs.connection, timeout=2)
    try:
        assert client.connects()
        assert client.make(internal()) == {}
        ovs.kill_ovsdb()
        with pytest.raises(OvsdbUnavailable):
            client.ovsdb.read([key()])
        with pytest.raises(OvsdbUnavailable):
            client.make(internal("in1"))
        ovs.start_ovsdb()
        assert client.connects()
        assert client.ovsdb.read([key(), key("in1")]).keys() == {key()}
        assert client.make(internal("in1")) == {}
        assert {r["name"] for r in rows(ovs, "interface")} == {"br-int", "in0", "in1"}
    finally:
        client.ovsdb.stop()
        ovs.stop()


def test_server_that_restarts_again_and_again_is_found_soon_each_time(tmp_path: Path) -> None:
    ovs = PrivateOvs(tmp_path)
    ovs.start_ovsdb()
    client = Client(ovs.connection)
    try:
        assert client.connects()
        for _ in range(4):
            ovs.kill_ovsdb()
            ovs.start_ovsdb()
            assert client.hears(lambda keys: keys is None, timeout=5)
    finally:
        client.ovsdb.stop()
        ovs.stop()


def test_call_that_was_given_up_is_not_carried_out_later(ovs: PrivateOvs) -> None:
    """The port may be unplugged by then."""
    busy, free = threading.Event(), threading.Event()
    free.set()

    def hold(_: object) -> None:
        busy.set()
        free.wait()

    ovsdb = Ovsdb(ovs.connection, 1, hold)
    ovsdb.start()
    try:
        wait_for(busy.is_set, "the connection")
        connect = diff(merge({PORT: [internal()]})[0], {}, Actual(ovsdb.read([]))).connect
        free.clear()
        busy.clear()
        as_internal = ("--", "set", "interface", "in1", "type=internal")
        ovs.vsctl("--no-wait", "add-port", "br-int", "in1", *as_internal)
        wait_for(busy.is_set, "an event that holds up the thread")
        with pytest.raises(OvsdbUnavailable, match="the server does not answer"):
            ovsdb.apply(connect)
        free.set()
        assert ovsdb.read([key(), key("in1")]).keys() == {key("in1")}  # its turn came later
    finally:
        free.set()
        ovsdb.stop()


def test_stop_while_the_server_is_away(tmp_path: Path) -> None:
    client = Client(f"unix:{tmp_path}/none.sock", timeout=1)
    started = time.monotonic()
    client.ovsdb.stop()
    assert time.monotonic() - started < 5


def test_vswitchd_killed_and_restarted(ovs: PrivateOvs, client: Client) -> None:
    """What is written meanwhile is there, and not ready until ovs-vswitchd has taken it in."""
    ovs.kill_vswitchd()
    try:
        assert client.make(internal()) == {}
        assert not client.ovsdb.read([key()])[key()].ready
    finally:
        ovs.start_vswitchd()
    assert client.finds_ready("in0")


def test_change_with_vswitchd_away_is_not_ready_either(ovs: PrivateOvs, client: Client) -> None:
    """The ofport of before the change says nothing about the change."""
    client.make(internal(mtu_request=1400))
    assert client.finds_ready("in0")
    ovs.kill_vswitchd()
    try:
        client.make(internal(mtu_request=1300))
        assert row(ovs, "interface", "in0")["ofport"] > 0
        assert not client.ovsdb.read([key()])[key()].ready
    finally:
        ovs.start_vswitchd()


# What is told


def test_told_of_the_ofport_of_a_port_we_made(ovs: PrivateOvs, client: Client) -> None:
    client.make(internal())
    assert client.finds_ready("in0")


def test_told_of_the_ofport_of_a_port_somebody_made(ovs: PrivateOvs, client: Client) -> None:
    ovs.vsctl("add-port", "br-int", "in7", "--", "set", "interface", "in7", "type=internal")
    assert client.finds_ready("in7")


def test_told_of_an_error_and_of_its_end(ovs: PrivateOvs, client: Client) -> None:
    client.make(OvsPort(name="no-device", bridge="br-int"))
    assert client.finds("no-device", lambda found: "No such device" in found.error)
    assert not client.ovsdb.read([key("no-device")])[key("no-device")].ready


# Writing


def test_row_the_database_refuses_fails_alone(ovs: PrivateOvs, client: Client) -> None:
    """An MTU below 1 is out of the schema's range; the other port is made all the same."""
    failures = client.make_all({PORT: (internal(),), OTHER: (internal("bad", mtu_request=-1),)})
    assert failures.keys() == {key("bad")}
    assert (failures[key("bad")].code, failures[key("bad")].transient) == ("host_refused", False)
    assert "constraint" in failures[key("bad")].message
    assert ovs.vsctl("list-ports", "br-int").split() == ["in0"]


def test_port_that_somebody_added_meanwhile_is_looked_at_again(
    ovs: PrivateOvs, client: Client
) -> None:
    """libvirt may add the row between our look and our write: no error for good, and no harm."""
    plan = diff(merge({PORT: (internal(),), OTHER: (internal("in1"),)})[0], {}, Actual())
    ovs.vsctl("add-port", "br-int", "in0", "--", "set", "interface", "in0", "type=internal")
    failures = client.ovsdb.apply(plan.connect)
    assert failures.keys() == {key()}
    assert failures[key()].transient, failures[key()].message
    assert row(ovs, "interface", "in0")["external_ids"] == {}


def test_port_of_a_bridge_that_has_gone_fails_alone(ovs: PrivateOvs, client: Client) -> None:
    gone = internal("bad", bridge="br-gone")
    failures = client.make_all({PORT: (internal(),), OTHER: (gone,)})
    assert failures.keys() == {key("bad")}
    assert failures[key("bad")].transient
    assert ovs.vsctl("list-ports", "br-int").split() == ["in0"]


def test_300_ports_are_one_transaction(ovs: PrivateOvs, client: Client) -> None:
    log = OvsdbLog(ovs.database)
    requests: dict[str, tuple[Resource, ...]] = {
        f"{PORT[:-3]}{n:03}": (OvsPort(name=f"t{n}", bridge="br-int", qos_type="linux-noop"),)
        for n in range(300)
    }
    assert client.make_all(requests) == {}
    events = log.read()
    log.close()
    assert len(writes(events)) == 1
    assert sum("insert Port" in event for event in events) == 300


def test_bridge_and_its_port_in_one_transaction(ovs: PrivateOvs, client: Client) -> None:
    log = OvsdbLog(ovs.database)
    bridge = OvsBridge(name="br-two", shared=True, datapath_type="netdev")
    assert client.make(bridge, internal(bridge="br-two")) == {}
    assert len(writes(log.read())) == 1
    log.close()
    assert ovs.vsctl("list-ports", "br-two").split() == ["in0"]
    assert client.finds_ready("in0")
    assert client.make(bridge, internal(bridge="br-two")) == {}


# Isolation


def vlan_of(ovs: PrivateOvs, name: str) -> tuple[object, object, object]:
    port = row(ovs, "port", name)
    return port["tag"], port["vlan_mode"], port["trunks"]


def test_isolated_port_is_born_in_the_dead_vlan(ovs: PrivateOvs, client: Client) -> None:
    client.make(internal(isolate=True))
    assert vlan_of(ovs, "in0") == (4095, "trunk", 4095)


def test_port_that_is_not_isolated_has_no_vlan(ovs: PrivateOvs, client: Client) -> None:
    client.make(internal())
    assert vlan_of(ovs, "in0") == ([], [], [])


def test_isolated_port_that_neutron_has_tagged_is_left_alone(
    ovs: PrivateOvs, client: Client
) -> None:
    client.make(internal(isolate=True))
    ovs.vsctl("set", "port", "in0", "tag=7", "--", "clear", "port", "in0", "vlan_mode", "trunks")
    log = OvsdbLog(ovs.database)
    assert client.make(internal(isolate=True)) == {}
    assert log.read() == []
    assert client.make(internal(isolate=True, mtu_request=1300)) == {}
    log.close()
    assert vlan_of(ovs, "in0") == (7, [], [])


# Living ports


def test_port_on_another_bridge_is_moved(ovs: PrivateOvs, client: Client) -> None:
    ovs.add_bridge("br-two")
    client.make(internal(bridge="br-two", qos_type="linux-noop"))
    assert client.make(internal(bridge="br-int", qos_type="linux-noop")) == {}
    assert ovs.vsctl("list-ports", "br-two") == ""
    assert ovs.vsctl("list-ports", "br-int").split() == ["in0"]
    assert len(rows(ovs, "qos")) == 1
    assert client.finds_ready("in0")


def test_external_ids_of_others_are_kept(ovs: PrivateOvs, client: Client) -> None:
    client.make(internal(external_ids=(("iface-id", PORT),)))
    ovs.vsctl("set", "interface", "in0", "external_ids:ovn-installed=true")
    ovs.vsctl("set", "interface", "in0", "external_ids:iface-id=gone")
    client.make(internal(external_ids=(("iface-id", PORT),)))
    ids = row(ovs, "interface", "in0")["external_ids"]
    assert ids == {"iface-id": PORT, "ovn-installed": "true", "vif-agent": PORT}


def test_qos_of_neutrons_is_left_alone(ovs: PrivateOvs, client: Client) -> None:
    """Also when the port goes: its row is Neutron's to remove."""
    client.make(internal())
    ovs.vsctl(
        *("set", "port", "in0", "qos=@q", "--"),
        *("--id=@q", "create", "qos", "type=linux-htb", "external_ids:neutron=yes"),
    )
    (before,) = rows(ovs, "qos")
    assert client.make(internal(qos_type="linux-noop")) == {}
    assert rows(ovs, "qos") == [before]
    assert row(ovs, "port", "in0")["qos"] == before["_uuid"]
    found = client.ovsdb.read([key()])
    client.ovsdb.apply(diff({}, {key(): {PORT}}, Actual(found)).connect)
    assert ovs.vsctl("list-ports", "br-int") == ""
    assert rows(ovs, "qos") == [before]


def test_read_claimed_finds_ours_and_no_other(ovs: PrivateOvs, client: Client) -> None:
    ovs.vsctl("add-port", "br-int", "in7", "--", "set", "interface", "in7", "type=internal")
    bridge = OvsBridge(name="br-two", shared=True, datapath_type="netdev")
    client.make(bridge, internal())
    tagged = client.ovsdb.read_claimed()
    assert {key.name: found.owner for key, found in tagged.items()} == {
        "br-two": "shared",
        "in0": PORT,
    }
