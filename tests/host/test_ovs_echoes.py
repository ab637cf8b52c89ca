"""What comes back of our own writing wakes nobody, and looking needs no other thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from tests.host.test_ovsdb import Client, internal, key
from tests.host.test_ovsdb import client as client
from tests.host.test_ovsdb import ovs as ovs
from tests.support.casting import wait_for
from tests.support.operating import frozen
from tests.support.real_host import OTHER, PORT
from vif_agent.host.ovs.ovsdb import Ovsdb
from vif_agent.plan.diff import diff
from vif_agent.plan.steps import Actual
from vif_agent.resources import Key, OvsBridge
from vif_agent.testing.ovs import PrivateOvs

BRIDGE = OvsBridge(name="br-two", shared=True, datapath_type="netdev")


def heard(client: Client) -> set[Key]:
    """All that was told since, once it has been: what comes later is behind this read."""
    client.ovsdb._calls.call(lambda: None)
    keys: set[Key] = set()
    while True:
        try:
            keys |= client.reported.get_nowait() or set()
        except queue.Empty:
            return keys


def test_own_change_wakes_nobody_and_what_ovs_vswitchd_makes_of_it_does(
    ovs: PrivateOvs, client: Client
) -> None:
    assert ovs.vswitchd is not None
    with frozen(ovs.vswitchd.pid):
        assert client.make_all({PORT: (BRIDGE, internal(bridge="br-two"))}) == {}
        assert heard(client) <= {key("br-two")}  # the bridge's own port: nobody's
        changed = internal(bridge="br-two", mtu_request=1300, external_ids=(("iface-id", PORT),))
        assert client.make(BRIDGE, changed) == {}
        assert heard(client) == set()
    assert client.finds_ready("in0")
    assert ovs.vswitchd is not None
    with frozen(ovs.vswitchd.pid):
        seen = Actual(client.ovsdb.read([key()]))
        assert client.ovsdb.apply(diff({}, {key(): {PORT}}, seen).connect) == {}
        assert heard(client) == set()
    ovs.sync()
    assert heard(client) == set()  # nor that ovs-vswitchd has let go of it


def test_change_of_anothers_is_told_though_we_write_too(ovs: PrivateOvs, client: Client) -> None:
    client.make(internal())
    assert client.finds_ready("in0")
    heard(client)
    assert ovs.vswitchd is not None
    with frozen(ovs.vswitchd.pid):
        ovs.vsctl("--no-wait", "set", "interface", "in0", "external_ids:iface-id=gone")
        assert client.make_all({OTHER: (internal("in1"),)}) == {}
        assert heard(client) == {key()}


def test_tag_of_neutrons_wakes_nobody(ovs: PrivateOvs, client: Client) -> None:
    """Nor does it wake the other ports that were made with this one."""
    for name in ("in0", "in1"):
        client.make(internal(name))
    for name in ("in0", "in1"):
        wait_for(lambda name=name: client.ovsdb.read([key(name)])[key(name)].ready, name)  # type: ignore[misc]
    ovs.sync()
    heard(client)
    ovs.vsctl("set", "port", "in0", "tag=7")
    assert heard(client) == set()


def held(ovs: PrivateOvs, look: Callable[[Ovsdb], None]) -> None:
    """While the OVSDB thread is busy."""
    busy, free = threading.Event(), threading.Event()
    free.set()

    def hold(_: object) -> None:
        busy.set()
        free.wait()

    ovsdb = Ovsdb(ovs.connection, 10, hold)
    ovsdb.start()
    try:
        wait_for(busy.is_set, "the connection")
        ovsdb.read([])
        free.clear()
        busy.clear()
        ovs.vsctl("--no-wait", "set", "interface", "br-int", "external_ids:x=y")
        wait_for(busy.is_set, "an event that holds up the thread")
        look(ovsdb)
    finally:
        free.set()
        ovsdb.stop()


def test_reconcile_needs_no_other_thread_and_is_not_behind(ovs: PrivateOvs) -> None:
    """Who looks takes in what the server has sent by then."""

    def look(ovsdb: Ovsdb) -> None:
        assert ovsdb.read([key()]) == {}
        ovs.vsctl("add-port", "br-int", "in0", "--", "set", "interface", "in0", "type=internal")
        wait_for(lambda: ovsdb.read([key()]), "the port")
        assert key() not in ovsdb.read_claimed()

    held(ovs, look)
