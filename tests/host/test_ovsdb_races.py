"""Others write to the database while we do."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from tests.host.test_ovsdb import Client, internal, key
from tests.host.test_ovsdb import client as client
from tests.host.test_ovsdb import ovs as ovs
from tests.support.casting import wait_for
from tests.support.real_host import PORT
from vif_agent.host.ovs.ovsdb import Ovsdb
from vif_agent.ownership import SHARED
from vif_agent.plan.diff import diff
from vif_agent.plan.steps import Actual, Step
from vif_agent.resources import OvsBridge
from vif_agent.testing.ovs import PrivateOvs

SHARED_BRIDGE = OvsBridge(name="br-two", shared=True, datapath_type="netdev")


def leaving(client: Client, *names: str) -> tuple[Step, ...]:
    """The plan for the last port's end, and its bridge's."""
    keys = [key(name) for name in names] + [SHARED_BRIDGE.key]
    seen = Actual(client.ovsdb.read(keys))
    return diff({}, {key: {PORT, SHARED} for key in keys}, seen).connect


def test_bridge_stays_with_a_port_that_somebody_added_after_the_reconcile(
    ovs: PrivateOvs, client: Client
) -> None:
    client.make(SHARED_BRIDGE, internal(bridge="br-two"))
    connect = leaving(client, "in0")
    assert {step.key for step in connect} == {key(), SHARED_BRIDGE.key}
    ovs.vsctl("add-port", "br-two", "in9", "--", "set", "interface", "in9", "type=internal")
    assert client.ovsdb.apply(connect) == {}
    assert ovs.vsctl("list-ports", "br-two").split() == ["in9"]
    ovs.vsctl("del-port", "in9")
    assert client.ovsdb.apply(leaving(client)) == {}
    assert "br-two" not in ovs.vsctl("list-br").split()


def test_bridge_stays_with_a_port_that_the_replica_does_not_know_yet(ovs: PrivateOvs) -> None:
    """The database knows: the transaction asks it whether these are the bridge's ports."""
    busy, free = threading.Event(), threading.Event()
    free.set()

    def hold(_: object) -> None:
        busy.set()
        free.wait()

    client = Client(ovs.connection)
    assert client.connects()
    client.make(SHARED_BRIDGE, internal(bridge="br-two"))
    connect = leaving(client, "in0")
    slow = Ovsdb(ovs.connection, 10, hold)
    slow.start()
    try:
        slow.read([])
        wait_for(busy.is_set, "the connection")
        free.clear()
        busy.clear()
        ovs.vsctl("add-port", "br-int", "in8", "--", "set", "interface", "in8", "type=internal")
        wait_for(busy.is_set, "an event that holds up the thread")
        ovs.vsctl("add-port", "br-two", "in9", "--", "set", "interface", "in9", "type=internal")
        with ThreadPoolExecutor(1) as pool:
            applied = pool.submit(slow.apply, connect)
            wait_for(lambda: slow._calls, "the call")
            free.set()
            assert applied.result() == {}
        assert ovs.vsctl("list-ports", "br-two").split() == ["in9"]
    finally:
        free.set()
        slow.stop()
        client.ovsdb.stop()
