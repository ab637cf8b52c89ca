"""What goes between the agent and a plugin's process: pickles with their length before them."""

import copyreg
import dataclasses
import io
import pickle
import socket
import struct
from types import MappingProxyType
from typing import Any

from vif_agent.errors import Problem
from vif_agent.resources import Resource

_LENGTH = struct.Struct("!I")
_LONGEST = 1 << 24
_ROOMS = {__name__, "vif_agent.errors", "vif_agent.resources", "vif_agent.vif"}


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


class _Reader(pickle.Unpickler):
    """Reads words of this conversation alone: what is a plugin's is not imported by reading it."""

    def find_class(self, module: str, name: str) -> Any:
        if module not in _ROOMS:
            raise pickle.UnpicklingError(f"{module}.{name} is none of the agent's words")
        return super().find_class(module, name)


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
        return _Reader(io.BytesIO(self._exactly(length))).load()

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
