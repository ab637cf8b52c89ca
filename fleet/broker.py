"""What the broker says of itself, and what the kernel says of it."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bench import usage
from vif_agent.testing.rabbit import PrivateRabbit

_ASK = """
Counted = maps:fold(fun(_, M, A) ->
    maps:fold(fun(K, V, B) -> maps:update_with(K, fun(X) -> X + V end, V, B) end, A, M)
  end, #{}, rabbit_global_counters:overview()),
[{connections, length(rabbit_networking:connections())},
 {channels, length(rabbit_channel:list())},
 {queues, length(rabbit_amqqueue:list())},
 {erlang_processes, erlang:system_info(process_count)},
 {processes_limit, erlang:system_info(process_limit)},
 {used, vm_memory_monitor:get_process_memory()},
 {limit, vm_memory_monitor:get_memory_limit()}
 | maps:to_list(Counted)] ++ [{K, V} || {K, V} <- rabbit_vm:memory(), is_integer(V)].
"""
_PAIR = re.compile(r"\{(\w+),\s*(\d+)\}")
_PASSIVE = "PassiveOpens"


@dataclass(frozen=True)
class Seen:
    """At one moment. ``told``: what the broker says, bytes and counts by name."""

    at: float
    cpu: float  # seconds
    resident: float  # MB
    descriptors: int
    told: dict[str, int]

    def __getitem__(self, name: str) -> int:
        return self.told.get(name, 0)

    @property
    def received(self) -> int:
        return self["messages_received_total"]

    @property
    def acknowledged(self) -> int:
        return self["messages_acknowledged_total"]


def look(rabbit: PrivateRabbit) -> Seen:
    """Half a second of the broker's machine, for the program that asks."""
    assert rabbit.broker
    pid = rabbit.broker.pid
    told = {name: int(value) for name, value in _PAIR.findall(rabbit.ctl("-q", "eval", _ASK))}
    descriptors = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return Seen(time.time(), usage.cpu(pid), usage.resident(pid), descriptors, told)


class Peaks:
    """The most there was at once, while it is watched: four looks a second at what is cheap.

    All sockets of this network namespace are the broker's and its clients'.
    """

    def __init__(self, rabbit: PrivateRabbit) -> None:
        self._rabbit = rabbit
        self._ending = threading.Event()
        self.resident = 0.0  # MB
        self.accepted = 0  # connections within a second
        self._opens: list[tuple[float, int]] = []

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ending.wait(0.25):
            now = time.monotonic()
            self._opens = [*[each for each in self._opens if each[0] > now - 1], (now, accepted())]
            self.accepted = max(self.accepted, self._opens[-1][1] - self._opens[0][1])
            if broker := self._rabbit.broker:
                with contextlib.suppress(OSError, StopIteration):
                    self.resident = max(self.resident, usage.resident(broker.pid))


def accepted() -> int:
    """Connections that were ever accepted in this namespace."""
    names, values = [line.split()[1:] for line in Path("/proc/net/snmp").read_text().splitlines()
                     if line.startswith("Tcp:")]  # fmt: skip
    return int(dict(zip(names, values, strict=True))[_PASSIVE])
