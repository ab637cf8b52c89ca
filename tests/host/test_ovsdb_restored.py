"""The database is an older copy of itself, or has not been initialised yet."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host.test_ovsdb import Client, internal, key
from tests.host.test_ovsdb import client as client
from tests.support.operating import frozen
from vif_agent.testing import processes
from vif_agent.testing.ovs import PrivateOvs


@pytest.fixture
def ovs(namespace: None, tmp_path: Path) -> Iterator[PrivateOvs]:
    with PrivateOvs(tmp_path) as ovs:
        ovs.add_bridge("br-int")
        yield ovs


def change_that_nobody_follows(ovs: PrivateOvs, client: Client) -> None:
    """Its number is far above those of a copy made before."""
    ovs.vsctl("--no-wait", "set", "open_vswitch", ".", "next_cfg=1000")
    assert client.make(internal(mtu_request=1300)) == {}
    assert not client.ovsdb.read([key()])[key()].ready


def test_port_is_ready_in_a_database_restored_from_an_older_copy(
    ovs: PrivateOvs, client: Client, tmp_path: Path
) -> None:
    client.make(internal())
    assert client.finds_ready("in0")
    shutil.copy(ovs.database, tmp_path / "copy")
    ovs.kill_vswitchd()
    change_that_nobody_follows(ovs, client)
    ovs.stop_ovsdb()
    shutil.copy(tmp_path / "copy", ovs.database)
    ovs.start_ovsdb()
    ovs.start_vswitchd()
    assert client.connects()
    assert client.ovsdb.read([key()])[key()].ready
    assert client.make(internal(mtu_request=1300)) == {}
    assert client.finds_ready("in0")


def test_port_is_told_when_the_number_falls_under_a_connection(
    ovs: PrivateOvs, client: Client
) -> None:
    """``ovsdb-client restore`` cuts nobody off."""
    client.make(internal())
    assert client.finds_ready("in0")
    assert ovs.vswitchd is not None
    with frozen(ovs.vswitchd.pid):
        change_that_nobody_follows(ovs, client)
        ovs.vsctl("--no-wait", "set", "open_vswitch", ".", "next_cfg=7", "cur_cfg=7")
        assert client.finds_ready("in0")


def test_reached_port_is_told_once(ovs: PrivateOvs, client: Client) -> None:
    """Not again with each transaction of others."""
    client.make(internal())
    assert client.finds_ready("in0")
    client.ovsdb.read([])
    while not client.reported.empty():
        client.reported.get()
    ovs.vsctl("set", "open_vswitch", ".", "external_ids:somebody=else")
    client.ovsdb.read([])
    assert client.reported.empty()


def test_database_that_nobody_has_initialised(ovs: PrivateOvs, client: Client) -> None:
    """Nothing is there, and what is written waits; when somebody does it we are told."""
    emptied = json.dumps(["Open_vSwitch", {"op": "delete", "table": "Open_vSwitch", "where": []}])
    processes.run(("ovsdb-client", "transact", ovs.connection, emptied), os.environ)
    assert client.connects()
    assert client.ovsdb.read_claimed() == {}
    (problem,) = client.make(internal()).values()
    assert (problem.code, problem.transient) == ("ovsdb_unavailable", True)
    assert problem.message == "ovsdb: nobody has initialised the database (ovs-vsctl init)"
    ovs.vsctl("--no-wait", "init")
    assert client.connects()
    ovs.vsctl("--no-wait", "add-br", "br-int")
    assert client.make(internal()) == {}
