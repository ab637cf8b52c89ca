"""A connection to ovsdb-server that comes back by itself, and knows why it is not there.

python-ovs's streams and its reconnecting; but the standard library reads the JSON. python-ovs's own
parser, where its C part is not built (as in all it has on PyPI), calls a function for each
character: 21 ms for the rows of 60 interfaces, which take 0.6 ms here.
"""

import codecs
import errno
import json
import os
from collections.abc import Sequence
from typing import Any

import ovs.jsonrpc
import ovs.reconnect
import ovs.stream
import ovs.timeval

from vif_agent.host.ovs.tls import CLOSED_AFTER_HANDSHAKE, TlsStream

#: python-ovs doubles it up to 8 s: long for a plug, and a try of a local socket costs nothing
_PAUSE_MILLISECONDS = 1000

_CHUNK = 1 << 16
#: no word or number that JSON has is as long
_WORD = 32

_decode = json.JSONDecoder().raw_decode


class Connection(ovs.jsonrpc.Connection):  # type: ignore[misc]
    """``input``: what has come and has not been read as messages yet."""

    input: str

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._length = 1  # that the input must have for another try, unless it ends like a message
        self._dry = True  # nothing more could be had at the last try

    def recv(self) -> tuple[int, Any]:
        """An errno (0: a message) and the message."""
        self._dry = False
        while not self.status:
            if (message := self._message()) is not None:
                return 0, message
            if not self.status and self._read() == errno.EAGAIN:
                self._dry = True
                return errno.EAGAIN, None
        return self.status, None

    def recv_wait(self, poller: Any) -> None:
        """At once where something that has come is not read yet."""
        if self.status or not self._dry:
            poller.immediate_wake()
        else:
            self.stream.recv_wait(poller)

    def _read(self) -> int:
        error, data = self.stream.recv(_CHUNK)
        if error == 0 and not data:
            error = ovs.jsonrpc.EOF
        elif error == 0:
            self.received_bytes += len(data)
            try:
                self.input += self._decoder.decode(data)
            except UnicodeError:
                error = errno.EILSEQ
        if error not in (0, errno.EAGAIN):
            self.error(error)
        return int(error)

    def _message(self) -> Any | None:
        """A long one comes in many pieces: not each is worth a try."""
        if len(self.input) < self._length and not self.input.endswith("}"):
            return None
        try:
            value, end = _decode(self.input)
        except json.JSONDecodeError as wrong:
            if not _is_cut(wrong):
                self.error(errno.EPROTO)
            self._length = 2 * len(self.input) + 1
            return None
        self.input = self.input[end:].lstrip()
        self._length = 1
        message = ovs.jsonrpc.Message.from_json(value)
        if isinstance(message, str):
            self.error(errno.EPROTO)
            return None
        return message


def _is_cut(wrong: json.JSONDecodeError) -> bool:
    """It may be right when more has come."""
    return wrong.pos >= len(wrong.doc) - _WORD or wrong.msg.startswith("Unterminated string")


class _Reconnect(ovs.reconnect.Reconnect):  # type: ignore[misc]
    session: Any = None
    trouble = ""

    def disconnected(self, now: int, error: int) -> None:
        """Of a connection, or of an attempt at one."""
        self.trouble = self._trouble(error)
        super().disconnected(now, error)

    def _trouble(self, error: int) -> str:
        if self.session.left:
            return str(self.session.left)
        stream = self.session.rpc.stream if self.session.rpc else self.session.stream
        if trouble := getattr(stream, "trouble", "") or (TlsStream.unusable if not stream else ""):
            less = trouble == CLOSED_AFTER_HANDSHAKE and "accept our certificate" in self.trouble
            return self.trouble if less else str(trouble)
        if error > 0:
            return os.strerror(error)
        return "the connection was closed" if error == ovs.jsonrpc.EOF else "no answer"


class Session(ovs.jsonrpc.Session):  # type: ignore[misc]
    """As python-ovs opens one."""

    rpc: Any

    def __init__(self, remotes: Sequence[str]) -> None:
        self.left = ""  # why we leave this server for another
        now = ovs.timeval.msec()
        super().__init__(_Reconnect(now), None, list(remotes))
        self.reconnect.session = self
        self.pick_remote()
        self.reconnect.enable(now)
        self.reconnect.set_backoff(_PAUSE_MILLISECONDS, _PAUSE_MILLISECONDS)
        self.reconnect.set_backoff_free_tries(len(self.remotes))
        if not ovs.stream.stream_or_pstream_needs_probes(self.reconnect.get_name()):
            self.reconnect.set_probe_interval(0)

    def run(self) -> None:
        """As python-ovs's, with our Connection in place of its own."""
        super().run()
        if self.rpc is None:
            self.left = ""
        elif not isinstance(self.rpc, Connection):
            self.rpc = Connection(self.rpc.stream)

    def leave(self, why: str) -> None:
        """For the next server, or the same one again; ``trouble`` says why."""
        self.left = why
        self.force_reconnect()

    @property
    def trouble(self) -> str:
        """Why it is not there, "" before the first attempt has ended."""
        return str(self.reconnect.trouble)
