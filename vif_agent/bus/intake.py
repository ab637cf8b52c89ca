"""Casts in: from the queue to the store, and only then acknowledged.

oslo.messaging's RPC server acknowledges before it dispatches, and dispatches in 64 threads: a
crash loses casts, and two casts for one port can race. Its notification listener on the same
queue keeps the order and leaves the acknowledging to us. A topic ``vif_agent`` with "priority"
HOST is the queue ``vif_agent.HOST``, to which RPCClient.cast sends.
"""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from vif_agent import bus
from vif_agent.bus import alone, cast_queue, casts, joining, leaving
from vif_agent.bus.casts import Refusal, Sync
from vif_agent.bus.gathered import Gathered
from vif_agent.bus.kept import Keeping
from vif_agent.errors import Internal, StaleGeneration, StoreUnavailable, VifAgentError
from vif_agent.ports.port import FullSet, PortRequest
from vif_agent.ports.store import Store
from vif_agent.private_names import oslo_servers as private
from vif_agent.reconcile.confirmations import Confirmations

LOG = logging.getLogger(__name__)

_T = TypeVar("_T")

_PAUSE_SECONDS = 0.5
_PATIENCE_SECONDS = 5.0  # with a store that takes nothing; much less than any broker has with us


class Intake(private.CastServer):
    """``on_requests`` gets the ports whose requests are stored now, though the disk may not have
    them yet; ``on_refusals`` what is not.

    ``on_set``: a set of this host's ports is stored; True if what is not in it is to go, though no
    request tells whose it is. An empty set is believed when its sender sends it again,
    ``set_interval`` seconds later. ``on_wait``: why no cast is taken in now; empty when that is
    over.
    """

    def __init__(
        self,
        messaging: Any,
        host: str,
        store: Store,
        on_requests: Callable[[set[str]], None],
        on_refusals: Callable[[Sequence[Refusal]], object],
        on_set: Callable[[bool], None],
        set_interval: float,
        on_wait: Callable[[str], None],
        patience: float = _PATIENCE_SECONDS,
    ) -> None:
        super().__init__(messaging)
        self._host = host
        self._store = store
        self._on_requests = on_requests
        self._on_refusals = on_refusals
        self._on_set = on_set
        self._empty_sets = defaultdict[str, Confirmations](lambda: Confirmations(2, set_interval))
        self._on_wait = on_wait
        self._patience = patience
        self._gathered = Gathered()
        self._stopping = threading.Event()

    def begin(self) -> None:
        """One worker, so that casts keep their order; it takes all that has gathered at once."""
        self.start(override_pool_size=1)

    def end(self) -> None:
        """What is not stored by now stays with the broker."""
        self._stopping.set()
        self._gathered.close()
        leaving.stop(self)
        self.wait()

    def has_taken(self) -> bool:
        """Is any cast known, of this start or an earlier one?"""
        return bool(self._store.states())

    def keeping(self) -> Keeping | None:
        """How the queue keeps what is in it; None before ``begin``."""
        keeping: Keeping | None = self.listener and self._reader.keeping()
        return keeping

    def listen(self) -> Any:
        """Blocks until the broker lets us in, and nobody else takes the casts of this host."""
        name = f"{bus.CAST_TOPIC}.{self._host}"
        return joining.patiently(lambda: alone.first(self._listener(name), name))

    def _listener(self, name: str) -> Any:
        return cast_queue.listener(self.transport, bus.EXCHANGE, name)

    def came(self, message: Any) -> bool:
        """Waits while too many bytes wait here: the rest stays on the wire."""
        return self._gathered.put(message)

    def process(self) -> None:
        """All casts that have gathered, in their order."""
        messages = self._gathered.take()
        try:
            self._take_in(messages)
        except Exception:
            LOG.exception("%d casts: not all of what follows a cast was done", len(messages))

    def _take_in(self, messages: Sequence[Any]) -> None:
        read = [_read(message) for message in messages]
        taken = [self._checked_set(item) for item in read if not isinstance(item, Refusal)]
        not_taken = self._commit(taken)
        if not_taken is None:
            return
        self._hand_over(taken)
        if taken and not self._on_disk():
            return
        private.acknowledge(messages)
        for item in read:
            if isinstance(item, Refusal):
                self._store.counted.refused(item.verb)
        if refusals := [*not_taken, *(r for item in read for r in _refusals(item))]:
            self._on_refusals(refusals)

    def _hand_over(self, taken: Sequence[PortRequest | FullSet]) -> None:
        """The work on the host may begin while the disk is still waited for."""
        if requested := {item.port_id for item in taken if isinstance(item, PortRequest)}:
            self._on_requests(requested)
        if sets := [item for item in taken if isinstance(item, FullSet)]:
            self._on_set(any(item.deletes and not item.source for item in sets))

    def _checked_set(self, item: PortRequest | Sync) -> PortRequest | FullSet:
        """May this set delete? Only if it is whole, and an empty one only at the second sight."""
        if isinstance(item, PortRequest):
            return item
        named, empty_sets = item.full_set.named, self._empty_sets[item.full_set.source]
        empty_sets.update(["empty"] if item.whole and not named else [])
        if not item.whole:
            LOG.debug("sync_vifs: not a complete set of ports: nothing is unplugged by it")
            return item.full_set
        if not named and not empty_sets.confirmed("empty"):
            LOG.warning(
                "sync_vifs: a complete set with no port in it: nothing is unplugged, unless this "
                "is sent again %g s or more from now", empty_sets.interval,
            )  # fmt: skip
            return item.full_set
        return item.deleting()

    def _commit(self, requests: Sequence[PortRequest | FullSet]) -> list[Refusal] | None:
        """None when the agent stops first. Answers what cannot be taken."""
        if not requests:
            return []
        try:
            stale = self._patiently(lambda: self._store.commit(requests))
        except Exception as error:  # a bug of ours, met by one of them
            LOG.exception("Cannot store %d casts", len(requests))
            return self._commit_singly(requests, error)
        return None if stale is None else [_stale(request) for request in stale]

    def _on_disk(self) -> bool:
        """False when the agent stops first."""

        def sync() -> bool:
            self._store.sync()
            return True

        return bool(self._patiently(sync))

    def _patiently(self, act: Callable[[], _T]) -> _T | None:
        """Until the store has done it; None when the agent stops first.

        Where that lasts, the broker has the casts back. That these are stored says that there is
        room again; they come once more, and are known.
        """
        complaint, began, restored = "", time.monotonic(), False
        while not self._stopping.is_set():
            try:
                done = act()
            except StoreUnavailable as error:
                if not complaint:
                    LOG.error("Casts wait unacknowledged until there is room: %s", error)
                complaint = str(error)
                self._on_wait(complaint)
                if not restored and time.monotonic() - began > self._patience:
                    restored = self._give_back()
                self._stopping.wait(_PAUSE_SECONDS)
            else:
                if complaint:
                    self._on_wait("")
                if restored:
                    self._reader.take_again()
                return done
        return None

    def _give_back(self) -> bool:
        LOG.warning("No more casts are taken from the broker until there is room")
        self._reader.give_back()
        self._gathered.take()
        return True

    @property
    def _reader(self) -> Any:
        return private.reader(self.listener)

    def _commit_singly(
        self, requests: Sequence[PortRequest | FullSet], error: Exception
    ) -> list[Refusal] | None:
        if len(requests) == 1:
            return [_of_request(requests[0], Internal(f"internal error: {error!r:.200}"))]
        refusals: list[Refusal] = []
        for request in requests:
            refused = self._commit([request])
            if refused is None:
                return None
            refusals += refused
        return refusals


def _refusals(item: PortRequest | Sync | Refusal) -> Sequence[Refusal]:
    if isinstance(item, Refusal):
        return (item,)
    return item.refusals if isinstance(item, Sync) else ()


def _stale(request: PortRequest) -> Refusal:
    return _of_request(request, StaleGeneration(
        f"generation: {request.generation} of port {request.port_id} is older than the stored one"
    ))  # fmt: skip


def _of_request(item: PortRequest | FullSet, error: VifAgentError) -> Refusal:
    if isinstance(item, FullSet):
        return Refusal(error, "sync", None, item.generation, item.request_id)
    return Refusal(error, item.verb, item.port_id, item.generation, item.request_id, item.vif_type)


def _read(message: Any) -> PortRequest | Sync | Refusal:
    """One that meets a bug of ours is refused, and holds up no other."""
    context, body = message.ctxt, message.message
    try:
        size = private.json_size(message)
        return casts.read(context, body, private.message_id(message), size)
    except Exception as error:
        LOG.exception("Cannot read a cast")
        return casts.refusal(context, body, Internal(f"internal error: {error!r:.200}"))
