"""Servers of all ages and kinds: what each tells of its rows, and which is not fit to be asked."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.host.test_ovsdb import Client, internal, key
from tests.support.casting import wait_for
from tests.support.real_host import PORT
from vif_agent.errors import OvsdbUnavailable
from vif_agent.resources import OVS_BRIDGE, OVS_PORT, Key
from vif_agent.testing import processes
from vif_agent.testing.ovs import SCHEMA, PrivateOvs

Answer = Callable[[str, list[Any]], Any]

ROOT = {"Open_vSwitch": {"u0": {"initial": {"next_cfg": 1, "cur_cfg": 1}}}}
BRIDGE = Key(OVS_BRIDGE, "br")
INSERTS = {"Bridge": {"u1": {"insert": {"name": "br"}}}}


class Unknown(Exception):
    """The method is not of this server's age."""


class Server:
    """One that speaks as it is told to; what it was asked."""

    def __init__(self, path: Path, answer: Answer) -> None:
        self.asked: list[str] = []
        self.peers: list[socket.socket] = []
        self._answer = answer
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        self.connection = f"unix:{path}"
        threading.Thread(target=self._accept, daemon=True).start()

    def say(self, method: str, *params: Any) -> None:
        output = {"method": method, "params": [*params], "id": None}
        self.peers[-1].sendall(json.dumps(output).encode())

    def close(self) -> None:
        for peer in [self._socket, *self.peers]:
            with contextlib.suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)
            peer.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self._socket.accept()
                self.peers.append(peer)
                threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        text, decoder = "", json.JSONDecoder()
        with contextlib.suppress(OSError):
            while data := peer.recv(65536):
                text += data.decode()
                while text.endswith("}"):
                    message, end = decoder.raw_decode(text)
                    text = text[end:]
                    peer.sendall(json.dumps(self._reply(message)).encode())

    def _reply(self, message: dict[str, Any]) -> dict[str, Any]:
        method, params = message["method"], message["params"]
        self.asked.append(f"{method} {params[0]}")
        try:
            result = self._answer(method, params)
        except Unknown:
            return {"id": message["id"], "result": None, "error": "unknown method"}
        return {"id": message["id"], "result": result, "error": None}


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[Answer], Server]]:
    servers: list[Server] = []

    def start(answer: Answer) -> Server:
        servers.append(Server(tmp_path / f"{len(servers)}.sock", answer))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@contextlib.contextmanager
def client_of(*servers: Server, timeout: float = 10) -> Iterator[Client]:
    client = Client(",".join(server.connection for server in servers), timeout)
    try:
        yield client
    finally:
        client.ovsdb.stop()


def database(**columns: Any) -> Any:
    return {"Database": {"u": {"initial": {"name": "Open_vSwitch", **columns}}}}


def today(method: str, params: list[Any], server: Any = None) -> Any:
    if params[0] == "_Server":
        return server or database(model="standalone", connected=True)
    if method == "monitor_cond_since":
        return [False, "11111111-1111-1111-1111-111111111111", ROOT | INSERTS]
    raise Unknown


def of_release(*known: str) -> Answer:
    """One that has no database ``_Server``, and these methods."""

    def answer(method: str, params: list[Any]) -> Any:
        if params[0] == "_Server" or method not in known:
            raise Unknown
        rows: dict[str, Any] = ROOT | INSERTS
        if method == "monitor":
            rows = {
                table: {
                    uuid: {"new": next(iter(change.values()))} for uuid, change in reported.items()
                }
                for table, reported in rows.items()
            }
        return [False, "1", rows] if method == "monitor_cond_since" else rows

    return answer


@pytest.mark.parametrize(
    ("known", "update"),
    [
        (("monitor_cond_since", "monitor_cond", "monitor"), ("update3", "vif-agent", "2")),
        (("monitor_cond", "monitor"), ("update2", "vif-agent")),
        (("monitor",), ("update", "vif-agent")),
    ],
)
def test_server_of_any_release(
    serve: Callable[[Answer], Server], known: tuple[str, ...], update: tuple[str, ...]
) -> None:
    server = serve(of_release(*known))
    with client_of(server) as client:
        assert client.connects()
        assert client.ovsdb.read([BRIDGE]).keys() == {BRIDGE}
        one = {"name": "in0", "type": "internal"}
        server.say(*update, {"Interface": {"u2": {"new" if len(known) == 1 else "insert": one}}})
        assert client.hears(lambda keys: keys == frozenset({key()}))
        gone = {"old": one} if len(known) == 1 else {"delete": None}
        server.say(*update, {"Interface": {"u2": gone}})
        assert client.hears(lambda keys: keys == frozenset({key()}))
        assert client.ovsdb.read([key()]) == {}


@pytest.mark.parametrize(
    "server",
    [
        database(model="clustered", connected=False),
        database(model="relay", connected=False),
        {"Database": {"u": {"initial": {"name": "another", "model": "standalone"}}}},
    ],
    ids=["alone in its cluster", "relay of nothing", "of another database"],
)
def test_server_that_is_not_fit_is_left_for_another(
    serve: Callable[[Answer], Server], server: Any
) -> None:
    unfit = serve(lambda method, params: today(method, params, server))
    away = pytest.raises(OvsdbUnavailable, match="not connected")
    with client_of(unfit, timeout=1) as client, away:
        client.ovsdb.read([])
    with client_of(unfit, serve(today)) as client:
        assert client.connects()
        assert client.ovsdb.read([BRIDGE]).keys() == {BRIDGE}


def test_server_that_loses_its_cluster_is_left(serve: Callable[[Answer], Server]) -> None:
    clustered = database(model="clustered", connected=True, index=7)
    first, second = (serve(lambda m, p: today(m, p, clustered)) for _ in range(2))
    with client_of(first, second) as client:
        assert client.connects()
        (left,) = [server for server in (first, second) if server.peers]
        (other,) = {first, second} - {left}
        left.say("update2", "server", {"Database": {"u": {"modify": {"connected": False}}}})
        wait_for(lambda: other.peers, "a connection to the other")
        assert client.connects()


def test_server_that_is_behind_the_one_before_is_left(serve: Callable[[Answer], Server]) -> None:
    """Else what we have done would seem undone."""
    index = [7]

    def answer(method: str, params: list[Any]) -> Any:
        clustered = database(model="clustered", connected=True, index=index[0])
        return today(method, params, clustered)

    server = serve(answer)
    with client_of(server, timeout=1) as client:
        assert client.connects()
        index[0] = 6
        server.peers[-1].shutdown(socket.SHUT_RDWR)
        wait_for(lambda: len(server.peers) > 1, "another connection")
        with pytest.raises(OvsdbUnavailable, match="older than what we have seen"):
            client.ovsdb.read([])
        index[0] = 8
        assert client.connects()


def test_rows_that_are_known_are_not_told_again(serve: Callable[[Answer], Server]) -> None:
    """After a connection that was lost; what has changed meanwhile is."""
    known: list[str] = []

    def answer(method: str, params: list[Any]) -> Any:
        if params[0] == "Open_vSwitch":
            known.append(params[-1])
            if len(known) > 1:
                return [True, "3", {"Interface": {"u2": {"insert": {"name": "in0"}}}}]
        return today(method, params)

    server = serve(answer)
    with client_of(server) as client:
        assert client.connects()
        server.say("update3", "vif-agent", "2", {"Interface": {"u3": {"insert": {"name": "in1"}}}})
        assert client.hears(lambda keys: keys == frozenset({key("in1")}))
        server.peers[-1].shutdown(socket.SHUT_RDWR)
        assert client.connects()
        keys = {BRIDGE, key(), key("in1")}
        assert client.ovsdb.read(keys).keys() == keys
    assert known == ["00000000-0000-0000-0000-000000000000", "2"]


def test_change_that_cannot_be_understood_is_no_end(serve: Callable[[Answer], Server]) -> None:
    """All is asked for anew."""
    server = serve(today)
    with client_of(server) as client:
        assert client.connects()
        server.say("update3", "vif-agent", "2", {"Port": {"u9": {"modify": {"name": "none"}}}})
        assert client.connects()
        assert client.ovsdb.read([BRIDGE]).keys() == {BRIDGE}


def test_answer_that_is_lost_with_the_connection(serve: Callable[[Answer], Server]) -> None:
    """Nobody knows whether it was done: the port is looked at again."""

    def answer(method: str, params: list[Any]) -> Any:
        if method == "transact":
            server.peers[-1].shutdown(socket.SHUT_RDWR)
        return today(method, params)

    server = serve(answer)
    with client_of(server) as client:
        assert client.connects()
        (problem,) = client.make(internal(bridge="br")).values()
        assert (problem.code, problem.transient) == ("ovsdb_unavailable", True)
        assert "lost amid a transaction" in problem.message


def test_database_whose_schema_is_changed(namespace: None, tmp_path: Path) -> None:
    """By an upgrade of Open vSwitch under a server that runs: it cuts us off, and all is there."""
    with PrivateOvs(tmp_path) as ovs:
        ovs.add_bridge("br-int")
        client = Client(ovs.connection)
        try:
            assert client.connects()
            assert client.make(internal()) == {}
            schema = json.loads(Path(SCHEMA).read_text())
            schema["tables"]["Interface"]["columns"]["later"] = {"type": "string"}
            later = tmp_path / "later.ovsschema"
            later.write_text(json.dumps(schema | {"version": "99.0.0"}))
            argv = ("ovsdb-client", "convert", ovs.connection, str(later))
            processes.run(argv, {"PATH": os.environ["PATH"]})
            assert client.connects()
            assert client.ovsdb.read([key()])[key()].owner == PORT
            assert client.make(internal("in1")) == {}
        finally:
            client.ovsdb.stop()


def test_database_of_a_cluster(tmp_path: Path) -> None:
    """A real one, of one server; with another remote where nobody is."""
    environment = {"PATH": os.environ["PATH"]}
    file, path = tmp_path / "raft.db", tmp_path / "db.sock"
    processes.run(
        ("ovsdb-tool", "create-cluster", str(file), SCHEMA, f"unix:{tmp_path}/raft"), environment
    )
    argv = ("ovsdb-server", str(file), f"--remote=punix:{path}", f"--unixctl={tmp_path}/ctl")
    process = processes.start(argv, environment, tmp_path / "out")
    try:
        processes.wait_until(path.exists, "ovsdb-server", process)
        client = Client(f"unix:{tmp_path}/none.sock,unix:{path}")
        try:
            assert client.connects()
            vsctl = ("ovs-vsctl", f"--db=unix:{path}", "--no-wait")
            processes.run((*vsctl, "init", "--", "add-br", "br-int"), environment)
            wait_for(lambda: client.ovsdb.read([Key(OVS_BRIDGE, "br-int")]), "the bridge")
            assert client.make(internal()) == {}
            assert client.ovsdb.read([key()])[key()].owner == PORT
            assert Key(OVS_PORT, "in0") in client.ovsdb.read_claimed()
        finally:
            client.ovsdb.stop()
    finally:
        processes.end(process)
