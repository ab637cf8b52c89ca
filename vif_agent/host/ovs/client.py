"""ovsdb-server's protocol (RFC 7047, ovsdb-server(7)): the rows it tells of, the transactions it is
asked for.

Our own and not ``ovs.db.idl``, of which we keep what is below it: streams, TLS, the session that
reconnects. Measured for a port of a burst of 300 taps, CPU of all that asks and answers, beside no
port and beside 1,500: 0.57 and 1.02 ms with the IDL; 0.41 and 0.97 ms with the IDL on a JSON parser
written in C; 0.08 and 0.10 ms so. The IDL makes each value an object that is checked against the
schema, again at each look and each write, and sorts its indexes by them. ovsdbapp stands on the
same IDL.
"""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ovs.jsonrpc import Message

from vif_agent.host.ovs.replica import Replica, Tables
from vif_agent.host.ovs.schema import DATABASE, SERVER, SERVER_TABLES, TABLES, requests
from vif_agent.host.ovs.session import Session

LOG = logging.getLogger(__name__)

#: from the latest; all that it tells after them has another form
_METHODS = ("monitor_cond_since", "monitor_cond", "monitor")
_UPDATES = ("update", "update2", "update3")
_OURS, _SERVERS = "vif-agent", "server"  # the monitors' names
_NO_TRANSACTION = "00000000-0000-0000-0000-000000000000"
#: messages at once
_BATCH = 50


class Answer:
    """To a request; ``lost``: with the connection, so nobody knows."""

    message: Message | None = None
    lost = False

    @property
    def here(self) -> bool:
        """Is there nothing to wait for any more?"""
        return self.lost or self.message is not None


class Client:
    """A replica of the tables we use, from the first server of ``connection`` that can serve it.

    Not to be used by two threads at once, but that one may ``take_in`` what another waits for.
    """

    def __init__(self, connection: str) -> None:
        self.replica = Replica()
        self.monitoring = False
        self.updates = 0  # that the server has told of since the start
        self._session = Session(_remotes(connection))
        self._attempt: int = self._session.get_seqno()  # of a connection
        self._begun = False
        self._asked: dict[Any, Callable[[Message], None]] = {}
        self._answers: dict[Any, Answer] = {}
        self._last = _NO_TRANSACTION
        self._server = Tables(SERVER_TABLES)
        self._oldest = 0  # a server of a cluster must not be behind the one before

    @property
    def connected(self) -> bool:
        """Is what we have of this connection? (The old rows stay until there are new ones.)"""
        return bool(self._session.is_connected()) and self.monitoring

    @property
    def current(self) -> bool:
        """Connected, and nothing that has come says otherwise."""
        return self.connected and not self._session.rpc.get_status()

    @property
    def attempt(self) -> int:
        """Another for each connection."""
        return self._attempt

    @property
    def trouble(self) -> str:
        """Why it is not connected, or was not once; empty if there was no such attempt."""
        return self._session.trouble

    def close(self) -> None:
        """The connection; it does not come back."""
        self._session.close()

    def start_over(self) -> None:
        """What we have may be wrong."""
        self._last, self.monitoring = _NO_TRANSACTION, False
        self._session.force_reconnect()

    def wait(self, poller: Any) -> None:
        """Lets ``poller`` wake up for what comes, and for the next attempt to connect."""
        self._session.wait(poller)
        self._session.recv_wait(poller)

    def run(self) -> None:
        """(Re)connect, and take in what has come."""
        self._session.run()
        self._see_connection()
        self.take_in()

    def take_in(self) -> bool:
        """What has come; was there anything?"""
        if not self._session.is_connected():
            return False
        if not self._begun:
            self._begun = True
            params = [SERVER, _SERVERS, requests(SERVER_TABLES)]
            self._ask("monitor_cond", params, self._told_of_server)
        for number in range(_BATCH):
            try:
                message = self._session.recv()
                if message is None:
                    return number > 0
                self._take(message)
            except Exception:
                LOG.exception("OVSDB: what it says is not understood: connecting anew")
                self.start_over()
                break
        return True

    def request(self, method: str, params: Sequence[Any]) -> Answer:
        """Only sent; the answer comes with ``take_in``."""
        answer = Answer()
        message = Message.create_request(method, [*params])
        self._answers[message.id] = answer
        if self._session.send(message):
            del self._answers[message.id]
            answer.lost = True
        return answer

    def _see_connection(self) -> None:
        attempt = self._session.get_seqno()
        if attempt != self._attempt:
            self._attempt = attempt
            self._begun = self.monitoring = False
            for answer in self._answers.values():
                answer.lost = True
            self._answers.clear()
            self._asked.clear()
            self._server = Tables(SERVER_TABLES)

    def _ask(self, method: str, params: Any, on_answer: Callable[[Message], None]) -> None:
        message = Message.create_request(method, params)
        self._asked[message.id] = on_answer
        self._session.send(message)

    def _take(self, message: Message) -> None:
        if message.type == Message.T_NOTIFY:
            if message.method in _UPDATES:
                self._update(message.params)
        elif message.type != Message.T_REQUEST:
            if answer := self._answers.pop(message.id, None):
                answer.message = message
            elif on_answer := self._asked.pop(message.id, None):
                on_answer(message)

    def _update(self, params: list[Any]) -> None:
        """``update3`` gives the transaction's number too."""
        monitor, *number, changes = params
        if monitor == _SERVERS:
            self._server.update(changes)
            self._judge_server()
        else:
            self.updates += 1
            self.replica.update(changes)
            self._last = number[0] if number else _NO_TRANSACTION

    def _told_of_server(self, message: Message) -> None:
        """One before Open vSwitch 2.9 says nothing of itself."""
        if message.type == Message.T_REPLY:
            self._server.update(message.result)
            if not self._judge_server():
                return
        self._monitor(_METHODS)

    def _judge_server(self) -> bool:
        rows: list[Any] = [*self._server.rows["Database"].values()]
        database = next((row for row in rows if row.name == DATABASE), None)
        why = self._unfit(database)
        if why:
            LOG.info("OVSDB: %s: %s", self._session.get_name(), why)
            self._leave(why)
        return not why

    def _unfit(self, database: Any) -> str:
        """Why another server would be better, "" if this one will do."""
        if database is None:
            return f"it has no database {DATABASE}"
        if database.model in ("clustered", "relay") and not database.connected:
            return f"its database ({database.model}) is not connected to the others"
        if database.model == "clustered" and database.index is not None:
            if database.index < self._oldest:
                return "its data are older than what we have seen"
            self._oldest = database.index
        return ""

    def _leave(self, why: str) -> None:
        if self.monitoring:
            self._session.reset_backoff()
        self._session.leave(why)

    def _monitor(self, methods: Sequence[str]) -> None:
        method, *older = methods
        since = [self._last] if method == _METHODS[0] else []
        params = [DATABASE, _OURS, requests(TABLES), *since]
        self._ask(method, params, partial(self._monitored, method, older))

    def _monitored(self, method: str, older: Sequence[str], message: Message) -> None:
        if message.type == Message.T_ERROR:
            if older and "unknown method" in str(message.error):
                self._monitor(older)
            else:
                self._leave(f"it does not tell of its rows: {message.error}")
            return
        known, last, changes = False, _NO_TRANSACTION, message.result
        if method == _METHODS[0]:
            known, last, changes = message.result
        if not known:
            self.replica.clear()
        self.replica.update(changes)
        self._last, self.monitoring = last, True


def _remotes(connection: str) -> list[str]:
    """As for ovs-vsctl: of several, separated by commas. A path may have one as well."""
    remotes: list[str] = []
    for part in connection.split(","):
        if remotes and ":" not in part:
            remotes[-1] += f",{part}"
        else:
            remotes.append(part)
    return remotes
