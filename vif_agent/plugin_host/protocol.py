"""What goes between the agent and a worker, the process of a plugin or a firewall driver: JSON with
its length before it.

Who reads says what it expects. The values are made by the declarations of the classes below and in
``vif_agent.resources``: whatever the other side sends, nothing else comes of it and no code is run.
"""

import dataclasses
import json
import socket
import struct
import time
from collections.abc import Mapping
from typing import Any

from vif_agent.errors import Problem
from vif_agent.plugin_host import serialization
from vif_agent.resources import Resource

_LENGTH = struct.Struct("!I")
_LONGEST = 1 << 22  # bytes
LONGEST_TRACE = 10_000
#: of ``vif_agent.errors``; a plugin has no other word for a VIF that cannot be plugged
REFUSALS = ("invalid_request", "binding_refused", "no_plugin")
CODES = (*REFUSALS, "plugin_failed")


@dataclasses.dataclass(frozen=True, slots=True)
class Order:
    """What to load: a plugin or a firewall driver, by its ``group``. ``limit``: seconds for one
    answer; ``patience``: for loading."""

    group: str
    name: str
    distribution: str
    config_files: tuple[str, ...]
    config_dirs: tuple[str, ...]
    limit: float
    patience: float


@dataclasses.dataclass(frozen=True, slots=True)
class Loaded:
    """What a plugin or driver says of itself when it has loaded."""

    contract: str
    aliases: Mapping[str, str]


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """``trace``: where the plugin raised, for the log."""

    resources: tuple[Resource, ...] = ()
    problem: Problem | None = None
    trace: str = ""


class Channel:
    """All limits are moments of ``time.monotonic``, for all of a message: TimeoutError then."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def send(self, item: object, until: float | None = None) -> None:
        """TimeoutError when the other end takes nothing until then (time.monotonic)."""
        data = json.dumps(item, default=serialization.as_data).encode()
        self._be_done(until)
        self._end.sendall(_LENGTH.pack(len(data)) + data)

    def receive(self, expected: object, until: float | None = None) -> Any:
        """EOFError when the other side is gone, ValueError or TypeError for what is unexpected."""
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size, until))
        if length > _LONGEST:
            raise ValueError(f"a message of {length} bytes")
        return serialization.read(expected, json.loads(self._exactly(length, until)))

    def _exactly(self, count: int, until: float | None) -> bytes:
        data = bytearray()
        while len(data) < count:
            self._be_done(until)
            some = self._end.recv(count - len(data))
            if not some:
                raise EOFError("the other side has ended")
            data += some
        return bytes(data)

    def _be_done(self, until: float | None) -> None:
        left = None if until is None else until - time.monotonic()
        if left is not None and left <= 0:
            raise TimeoutError
        self._end.settimeout(left)

    def close(self) -> None:
        """The other end reads the end of the channel."""
        self._end.close()
