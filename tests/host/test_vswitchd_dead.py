"""ovs-vswitchd has died: the ofports that it gave are still in the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.host.test_ovsdb import Client, internal, key
from tests.support.real_host import Ports, Vif, links, nothing_written
from vif_agent.errors import OvsdbUnavailable
from vif_agent.host.real import RealHost
from vif_agent.ports.port import READY, RETRYING
from vif_agent.ports.store import Store
from vif_agent.testing import processes
from vif_agent.testing.ovs import PrivateOvs

Load = Callable[[str], Vif]

GONE = "ovs-vswitchd, which gave it its ofport, is not there"


@contextmanager
def asking(connection: str, timeout: float = 10) -> Iterator[Callable[[], bool]]:
    """Whether ovs-vswitchd is there, asked as often as one likes."""
    client = Client(connection, timeout)
    try:
        yield lambda: client.ovsdb._calls.call(client.ovsdb._is_attended)
    finally:
        client.ovsdb.stop()


@contextmanager
def dead(ovs: PrivateOvs) -> Iterator[None]:
    ovs.kill_vswitchd()
    try:
        with asking(ovs.connection) as is_there:
            processes.wait_until(lambda: not is_there(), "ovsdb-server's notice")
        yield
    finally:
        ovs.start_vswitchd()


def test_port_plugged_again_is_not_ready_by_its_old_ofport(
    host: RealHost, store: Store, payload: Load, ovs: PrivateOvs
) -> None:
    """Nothing of it need be written, so no number of a change is awaited."""
    ports, vif = Ports(host, store, ready_timeout=0.3), payload("ovs_create_tap")
    assert [port.state for port in ports.plug(vif)] == [READY]
    with dead(ovs):
        (reported,) = ports.plug(vif)
        problem = OvsdbUnavailable(f"{vif['devname']}: {GONE}").problem
        assert (reported.state, reported.problem) == (RETRYING, problem)
        assert vif["devname"] in links()
    assert [port.state for port in ports.plug(vif)] == [READY]


def test_agent_started_meanwhile_believes_no_ofport(ovs: PrivateOvs) -> None:
    first = Client(ovs.connection)
    try:
        assert first.connects()
        first.make(internal())
        assert first.finds_ready("in0")
        with dead(ovs):
            second = Client(ovs.connection)
            try:
                assert second.connects()
                found = second.ovsdb.read([key()])[key()]
                assert (found.ready, found.unready) == (False, GONE)
                unasked = second.ovsdb.read([key()], going=[key()])[key()]
                assert unasked.ready  # what is to be removed needs nobody who carries it
            finally:
                second.ovsdb.stop()
    finally:
        first.ovsdb.stop()
        ovs.vsctl("del-port", "in0")


def test_to_ask_writes_nothing_and_keeps_nobody_out(ovs: PrivateOvs) -> None:
    with asking(ovs.connection) as is_there:
        with nothing_written(ovs):
            assert is_there()
        with dead(ovs):
            assert not any(is_there() for _ in range(5))
        assert is_there()
    assert "another ovs-vswitchd" not in (ovs.directory / "ovs-vswitchd.log").read_text()


def test_one_of_several_servers_is_asked(ovs: PrivateOvs) -> None:
    """That whose rows we have."""
    with asking(f"unix:/nowhere/db.sock,{ovs.connection}") as is_there:
        assert is_there()
        with dead(ovs):
            assert not is_there()


def test_no_server_to_ask() -> None:
    gone = pytest.raises(OvsdbUnavailable, match="No such file or directory")
    with asking("unix:/nowhere/db.sock", 1) as is_there, gone:
        is_there()
