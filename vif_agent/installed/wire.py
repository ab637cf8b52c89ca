"""What goes between the agent and a plugin's process: pickles with their length before them."""

import copyreg
import dataclasses
import pickle
import socket
import struct
from types import MappingProxyType
from typing import Any

from vif_agent.errors import Problem
from vif_agent.resources import Resource

_LENGTH = struct.Struct("!I")
_LONGEST = 1 << 24


def _frozen(items: dict[str, object]) -> MappingProxyType[str, object]:
    return MappingProxyType(items)


# ``Vif.details`` is one, and pickle cannot find the class by its name
copyreg.pickle(MappingProxyType, lambda frozen: (_frozen, (dict(frozen),)))


@dataclasses.dataclass(frozen=True, slots=True)
class Order:
    """Which plugin to load. ``limit``: seconds for one answer; ``patience``: for loading."""

    group: str
    name: str
    distribution: str
    config_files: tuple[str, ...]
    config_dirs: tuple[str, ...]
    limit: float
    patience: float


@dataclasses.dataclass(frozen=True, slots=True)
class Loaded:
    contract: str
    aliases: dict[str, str]


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """``trace``: where the plugin raised, for the log."""

    resources: tuple[Resource, ...] = ()
    problem: Problem | None = None
    trace: str = ""


class Channel:
    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def send(self, item: object) -> None:
        data = pickle.dumps(item)
        self._end.sendall(_LENGTH.pack(len(data)) + data)

    def receive(self, timeout: float | None = None) -> Any:
        """EOFError when the other side is gone, TimeoutError after that many seconds of silence."""
        self._end.settimeout(timeout)
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
        if length > _LONGEST:
            raise EOFError(f"a message of {length} bytes")
        return pickle.loads(self._exactly(length))

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            some = self._end.recv(count - len(data))
            if not some:
                raise EOFError("the other side has ended")
            data += some
        return data

    def close(self) -> None:
        self._end.close()
