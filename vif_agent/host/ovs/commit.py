"""Steps are written in one transaction; what the database refuses, in halves of it."""

import time
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any

from vif_agent.errors import HostRefused, NotYet, OvsdbUnavailable, Problem
from vif_agent.host.ovs.client import Answer, Client
from vif_agent.host.ovs.operations import outcome
from vif_agent.host.ovs.refusals import Overtaken, refusal
from vif_agent.host.ovs.rows import root
from vif_agent.host.ovs.vswitchd import Progress
from vif_agent.host.ovs.writer import Writer
from vif_agent.plan.steps import REMOVE, Step
from vif_agent.resources import OVS_BRIDGE, OVS_PORT, Key
from vif_agent.tally import Durations

#: of one transaction, when others write what it depends on
_TRIES = 5


class Commits:
    """``lock``: for the client. ``wait_for`` an answer goes on with it, or raises. ``lasted``:
    transactions, by result."""

    def __init__(
        self,
        client: Client,
        lock: Lock,
        progress: Progress,
        wait_for: Callable[[Answer], None],
        lasted: Durations,
    ) -> None:
        self._client = client
        self._lock = lock
        self._progress = progress
        self._wait_for = wait_for
        self._lasted = lasted

    def apply(self, steps: Sequence[Step]) -> dict[Key, Problem]:
        """What failed, by key."""
        try:
            self._commit(steps)
            return {}
        except (HostRefused, Overtaken) as error:
            groups = {step.ports or (step.owner,) for step in steps}
            if len(groups) > 1:
                return self._apply_in_halves(steps, sorted(groups))
            return {step.key: error.problem for step in steps}
        except NotYet as error:
            return {step.key: error.problem for step in steps}

    def _apply_in_halves(
        self, steps: Sequence[Step], groups: Sequence[tuple[str, ...]]
    ) -> dict[Key, Problem]:
        first = {*groups[: len(groups) // 2]}
        in_first = [(step.ports or (step.owner,)) in first for step in steps]
        failures = self.apply([s for s, early in zip(steps, in_first, strict=True) if early])
        return failures | self.apply(
            [s for s, early in zip(steps, in_first, strict=True) if not early]
        )

    def _commit(self, steps: Sequence[Step]) -> None:
        """What others have written meanwhile may change what is to be written: once more."""
        for _ in range(_TRIES):
            if self._is_done(steps):
                return
        raise NotYet("ovsdb: the database has changed meanwhile")

    def _is_done(self, steps: Sequence[Step]) -> bool:
        with self._lock:
            writer = Writer(self._client.replica, root(self._client.replica))
            writer.write(steps)
            request = writer.request()
            if request is None:
                return True
            answer = self._client.request("transact", request)
        number = self._answered(request, answer)
        if number is None:
            return False
        with self._lock:
            ports = [step for step in steps if step.key.space == OVS_PORT]
            self._progress.removed([s.key.name for s in ports if s.verb == REMOVE])
            self._progress.wrote([s.key.name for s in ports if s.verb != REMOVE], number)
            self._drop_echoes(writer)
        return True

    def _answered(self, request: Sequence[Any], answer: Answer) -> int | None:
        """None: others have written meanwhile."""
        began, result = time.monotonic(), "failed"
        try:
            self._wait_for(answer)
            number = outcome(request, _result(answer))
            result = "overtaken" if number is None else "ok"
            return number
        finally:
            self._lasted.observe(time.monotonic() - began, result)

    def _drop_echoes(self, writer: Writer) -> None:
        """Our own change comes back before the answer does, and is nothing new to who has asked for
        it and will look at it. But ovs-vswitchd, say, may have written too meanwhile."""
        replica = self._client.replica
        for key, columns in writer.written.items():
            of_bridge = key.space == OVS_BRIDGE
            row: Any = replica.bridge(key.name) if of_bridge else replica.interface(key.name)
            if columns is None or row is None:
                same = columns is None and row is None
            else:
                same = all(getattr(row, name) == value for name, value in columns.items())
            if same:
                replica.changed.discard(key)


def _result(answer: Answer) -> Any:
    if answer.message is None:
        raise OvsdbUnavailable("ovsdb: the connection was lost amid a transaction")
    if answer.message.result is None:
        raise refusal(str(answer.message.error))
    return answer.message.result
