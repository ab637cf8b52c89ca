"""ovsdb-server says no for a moment: what it refused then is done when it is well again."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.real_host import Ports, Vif, real_host, rows
from vif_agent.host.ovs.refusals import refusal
from vif_agent.ports.store import Store
from vif_agent.testing import processes
from vif_agent.testing.host import ScratchHost
from vif_agent.testing.ovs import PrivateOvs

Moment = Callable[[PrivateOvs], contextlib.AbstractContextManager[None]]


@pytest.mark.parametrize(
    ("error", "details", "code"),
    [
        ("constraint violation", "-1 is less than minimum allowed value 1", "host_refused"),
        ("range error", "result of mutation is out of range", "host_refused"),
        ("constraint violation", 'identical values for index on column "name"', "not_yet"),
        ("referential integrity violation", "references nonexistent row", "not_yet"),
        ("permission error", "RBAC rules do not permit it", "not_yet"),
        ("unknown column", "No column mtu_request in table Interface", "not_yet"),
        ("something of a later release", "no matter what", "not_yet"),
        ("not allowed", "database server is in read only mode", "ovsdb_unavailable"),
        ("I/O error", "conf.db: write failed", "ovsdb_unavailable"),
    ],
)
def test_only_values_of_ours_are_refused_for_good(error: str, details: str, code: str) -> None:
    problem = refusal(json.dumps({"error": error, "details": details})).problem
    assert (problem.code, problem.transient) == (code, code != "host_refused")
    assert problem.message == f"ovsdb: {error}: {details}"


def test_refusal_of_a_row_reads_the_same_at_each_try() -> None:
    """A row that is to be made has another UUID each time; a port's UUID is kept."""
    rows = [uuid.uuid4() for _ in range(2)]
    port = "5843eca1-e1fe-5bb2-a9c2-8f97bae40c4e"
    text = [
        refusal(
            json.dumps(
                {"error": "constraint violation", "details": f"{port}: row {row}, with UUID {row}."}
            )
        ).problem.message
        for row in rows
    ]
    assert text == [f"ovsdb: constraint violation: {port}: row …, with UUID …."] * 2


@pytest.mark.parametrize("text", ["error", "null", "[]", '{"details": "no error"}'])
def test_what_is_no_error_of_an_operation_is_tried_again(text: str) -> None:
    assert refusal(text).problem.transient


@contextlib.contextmanager
def _read_only(ovs: PrivateOvs) -> Iterator[None]:
    """As a standby server is until its active one is given up."""
    ovs.appctl("ovsdb-server", "ovsdb-server/set-active-ovsdb-server", "tcp:127.0.0.1:1")
    ovs.appctl("ovsdb-server", "ovsdb-server/connect-active-ovsdb-server")
    try:
        yield
    finally:
        ovs.appctl("ovsdb-server", "ovsdb-server/disconnect-active-ovsdb-server")


@contextlib.contextmanager
def _full(ovs: PrivateOvs) -> Iterator[None]:
    """To the last byte: the database's last page too."""
    ballast = ovs.database.with_name("ballast")
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(512))
    with contextlib.suppress(RuntimeError):
        for n in itertools.count():
            ovs.vsctl("--no-wait", "set", "open_vswitch", ".", f"external_ids:n={n}")
    try:
        yield
    finally:
        ballast.unlink()


class _SmallDisk(ScratchHost):
    """Its Open vSwitch has a disk of its own."""

    def _subdirectory(self, name: str) -> Path:
        path = super()._subdirectory(name)
        processes.run(("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(path)), os.environ)
        return path


@pytest.fixture
def scratch(namespace: None) -> Iterator[ScratchHost]:
    with _SmallDisk() as scratch:
        try:
            yield scratch
        finally:
            scratch.ovs.stop()
            processes.run(("umount", str(scratch.ovs.directory)), os.environ)


@pytest.mark.parametrize("moment", [_read_only, _full])
def test_plug_and_unplug_wait_for_a_database_that_takes_nothing(
    scratch: ScratchHost, store: Store, payload: Callable[[str], Vif], moment: Moment
) -> None:
    there, new = payload("ovs_create_tap"), payload("ovs_hybrid")
    with real_host(scratch) as host:
        ports = Ports(host, store)
        ports.plug(there)
        with moment(scratch.ovs):
            reported = [*ports.unplug(there), *ports.plug(new)]
            assert [(p.state, p.problem and p.problem.code) for p in reported] == [
                ("retrying", "ovsdb_unavailable")
            ] * 2
        later = ports.reconcile({there["id"], new["id"]})
        assert [later[v["id"]].state for v in (there, new)] == ["unplugged", "ready"]
        assert {r["name"] for r in rows(scratch.ovs, "port")} == {"br-int", "qvo" + new["id"][:11]}
