"""What is reported of OVSDB: to the agent what has changed; to the log how the connection is, and
which bridge of ours has no owner yet."""

import errno
import logging
import os
import time
from collections.abc import Callable
from threading import Lock

from vif_agent.health import Sign
from vif_agent.host.ovs.client import Client
from vif_agent.host.ovs.rows import NOT_INITIALISED
from vif_agent.host.ovs.vswitchd import Progress
from vif_agent.ownership import Found
from vif_agent.resources import Key

LOG = logging.getLogger(__name__)

_LOST, _CONNECTED = "connection lost", "connected"

#: instead of keys, when events may have been missed: everything may differ
EVERYTHING: frozenset[Key] | None = None

OnChange = Callable[[frozenset[Key] | None], None]


class Notices:
    """``lock``: for ``client`` and ``progress``."""

    def __init__(
        self, connection: str, client: Client, progress: Progress, lock: Lock, on_change: OnChange
    ) -> None:
        self._connection = connection
        self._client = client
        self._progress = progress
        self._lock = lock
        self._on_change = on_change
        self._state = _state(client)
        self._since = time.time()
        self._was_there = False
        self._trouble = ""  # the last that was logged
        self._unattended: set[str] = set()

    @property
    def away(self) -> str:
        """That it is not connected, and why."""
        why = f": {self._client.trouble}" if self._client.trouble else ""
        return f"not connected to {self._connection}{why}"

    def sign(self) -> Sign:
        """``ok`` None: a host may have none."""
        if self._state[0] == _LOST:
            absent = not self._was_there and self._absent
            return Sign(None if absent else False, self.away, self._since)
        well = self._state[0] == _CONNECTED
        return Sign(well, "" if well else self._state[0], self._since)

    @property
    def _absent(self) -> bool:
        return self._client.trouble in ("", os.strerror(errno.ENOENT))

    def tell(self) -> bool:
        """Pass on what has changed since the last time. True if there is a connection."""
        client, replica = self._client, self._client.replica
        with self._lock:
            root = replica.root if client.connected else None
            was, self._state = self._state, _state(client)
            keys = self._progress.reached(root) if root else frozenset()
            keys |= replica.changed
            replica.changed.clear()
            anew = self._state != was and client.connected
        self._tell_trouble()
        if self._state != was:
            self._since = time.time()
            self._was_there |= self._state[0] != _LOST
            LOG.info("OVSDB %s", self._state[0] + self._there())
        if anew or keys:
            self._on_change(EVERYTHING if anew else keys)
        return self._state[0] != _LOST

    def _there(self) -> str:
        if (root := self._client.replica.root) is None or self._state[0] != _CONNECTED:
            return ""
        return f": Open vSwitch {root.ovs_version or 'of no known release'}, by {self._connection}"

    def _tell_trouble(self) -> None:
        trouble, connected = self._client.trouble, self._client.connected
        if not connected and trouble != self._trouble:
            level = logging.INFO if self._absent else logging.WARNING  # a host may have none
            LOG.log(level, "OVSDB: %s", self.away)
        self._trouble = "" if connected else trouble

    def tell_unattended(self, name: str, bridge: Found | None) -> None:
        """Once of each that is made, and when its owner has come."""
        if bridge and bridge.error and name not in self._unattended:
            LOG.warning("Bridge %s: %s", name, bridge.error)
            self._unattended.add(name)
        elif name in self._unattended and not (bridge and bridge.error):
            LOG.info("Bridge %s: %s", name, "its owner has come" if bridge else "it has gone")
            self._unattended.discard(name)


def _state(client: Client) -> tuple[str, int]:
    """In words, and of which connection."""
    if not client.connected:
        return _LOST, 0
    initialised = client.replica.root is not None
    text = _CONNECTED if initialised else f"{_CONNECTED}, but {NOT_INITIALISED}"
    return text, client.attempt
