"""A connection to ovsdb-server that comes back by itself, and knows why it is not there."""

import os
from collections.abc import Sequence
from typing import Any

import ovs.jsonrpc
import ovs.reconnect
import ovs.stream
import ovs.timeval

from vif_agent.host.ovs_tls import CLOSED_AFTER_HANDSHAKE, TlsStream

#: python-ovs doubles it up to 8 s: long for a plug, and a try of a local socket costs nothing
_PAUSE_MILLISECONDS = 1000


class _Reconnect(ovs.reconnect.Reconnect):  # type: ignore[misc]
    session: Any = None
    trouble = ""

    def disconnected(self, now: int, error: int) -> None:
        """Of a connection, or of an attempt at one."""
        self.trouble = self._trouble(error)
        super().disconnected(now, error)

    def _trouble(self, error: int) -> str:
        stream = self.session.rpc.stream if self.session.rpc else self.session.stream
        if said := getattr(stream, "trouble", "") or (TlsStream.unusable if not stream else ""):
            less = said == CLOSED_AFTER_HANDSHAKE and "accept our certificate" in self.trouble
            return self.trouble if less else str(said)
        if error > 0:
            return os.strerror(error)
        return "the connection was closed" if error == ovs.jsonrpc.EOF else "no answer"


class Session(ovs.jsonrpc.Session):  # type: ignore[misc]
    """As python-ovs opens one."""

    def __init__(self, remotes: Sequence[str]) -> None:
        now = ovs.timeval.msec()
        super().__init__(_Reconnect(now), None, list(remotes))
        self.reconnect.session = self
        self.pick_remote()
        self.reconnect.enable(now)
        self.reconnect.set_backoff(_PAUSE_MILLISECONDS, _PAUSE_MILLISECONDS)
        self.reconnect.set_backoff_free_tries(len(self.remotes))
        if not ovs.stream.stream_or_pstream_needs_probes(self.reconnect.get_name()):
            self.reconnect.set_probe_interval(0)

    @property
    def trouble(self) -> str:
        """Why it is not there, "" before the first attempt has ended."""
        return str(self.reconnect.trouble)
