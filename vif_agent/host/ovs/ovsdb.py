"""One connection to ovsdb-server, owned by one thread.

The thread keeps a replica of the few columns we use, and runs what other threads ask of it: one
transaction for each reconcile. It reports interfaces that ovs-vswitchd has taken in or refused, and
of every (re)connection; not of what has come back of our own transactions. Who reads does so
itself, under the lock, after it has taken in what the server has sent by then: that costs no hop to
the thread.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import ovs.poller

from vif_agent.errors import OvsdbUnavailable, Problem
from vif_agent.health import Sign
from vif_agent.host.counted import Counted
from vif_agent.host.in_parts import in_parts
from vif_agent.host.ovs import glimpsed, vswitchd
from vif_agent.host.ovs.calls import DOES_NOT_ANSWER, PATIENCE_SECONDS, Calls
from vif_agent.host.ovs.client import Answer, Client
from vif_agent.host.ovs.commit import Commits
from vif_agent.host.ovs.notices import EVERYTHING as EVERYTHING
from vif_agent.host.ovs.notices import Notices
from vif_agent.host.ovs.notices import OnChange as OnChange
from vif_agent.host.ovs.rows import Rows
from vif_agent.ownership import Found
from vif_agent.plan.steps import Step
from vif_agent.resources import OVS_BRIDGE, Key
from vif_agent.topology.facts import BridgeFacts, OvsFacts

LOG = logging.getLogger(__name__)

_Which = Callable[[], Collection[Key]]

_YOUNG_SECONDS = 5.0  # after the start a connection may yet come


class Ovsdb:
    """``on_change`` is called on the OVSDB thread and must only take note.

    ``timeout``: seconds for one transaction; all methods raise OvsdbUnavailable when the server
    is away.
    """

    def __init__(
        self, connection: str, timeout: float, on_change: OnChange, counted: Counted | None = None
    ) -> None:
        counted = counted or Counted()
        self._timeout = timeout
        self._started = 0.0
        self._stopping = False
        self._was_connected = False  # when that was told; then it may come back at once
        self._lock = threading.Lock()  # for the client, the rows and how far ovs-vswitchd is
        self._client = Client(connection)
        self._rows = Rows(self._client.replica)
        self._vswitchd = vswitchd.Progress(counted.ofports)
        self._commits = Commits(
            self._client, self._lock, self._vswitchd, self._wait_for, counted.transactions
        )
        self._notices = Notices(connection, self._client, self._vswitchd, self._lock, on_change)
        self._calls = Calls(timeout, on_change)
        self._thread = threading.Thread(target=self._run, name="ovsdb", daemon=True)

    def start(self) -> None:
        """The thread connects; nothing waits for that."""
        self._started = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """Returns when the thread has ended."""
        self._stopping = True
        self._calls.wake()
        self._thread.join()
        self._client.close()
        self._calls.close()

    @property
    def updates(self) -> int:
        """That the server has told of. Safe on any thread."""
        return self._client.updates

    def ports_in(self, bridge: str) -> Mapping[str, int]:
        """How many ports are in it, by whose they are: "ours", "dead" (of a port whose device is
        gone, and not ours) or "other"; empty where that is not known."""
        if not self._lock.acquire(timeout=PATIENCE_SECONDS):
            return {}
        try:
            return Counter(self._rows.whose(bridge) if self._client.connected else ())
        finally:
            self._lock.release()

    def read(self, keys: Collection[Key], going: Collection[Key] = ()) -> dict[Key, Found]:
        """Those that exist; OvsdbUnavailable while there is no connection."""
        return self._look(lambda: keys, going)

    def read_claimed(self) -> dict[Key, Found]:
        """All that carries our owner tag, whatever it is called, and broken ports of others'
        plugs."""
        return self._look(lambda: [*self._rows.claimed()])

    def glimpse(self) -> tuple[tuple[BridgeFacts, ...], tuple[OvsFacts, ...]]:
        """All bridges and ports, for a picture."""
        replica = self._client.replica
        tags = self._calls.call(self._tags)
        with self._lock:
            bridges, places = tuple(glimpsed.bridges(replica)), glimpsed.places(replica)
        ports = in_parts(self._lock, places, lambda some: glimpsed.ports(replica, some, tags))
        return bridges, tuple(ports)

    def apply(self, steps: Sequence[Step]) -> dict[Key, Problem]:
        """Carry out the steps in one transaction; what failed, by key.

        What cannot be written, or the database refuses, is tried again in halves, so that one bad
        row harms no other.
        """
        return self._calls.call(lambda: self._commits.apply(steps), [step.key for step in steps])

    def sign(self) -> Sign:
        """How the connection is; without a wait."""
        return self._notices.sign()

    def _look(self, which: _Which, going: Collection[Key] = ()) -> dict[Key, Found]:
        """Only for a connection that is not there, or for a question to the server, is the thread
        needed."""
        seen = self._remember(which)
        if seen is None:
            seen = self._calls.call(lambda: self._read(which))
        with self._lock:
            unproven = self._vswitchd.unproven(seen, going)
        if unproven and not self._calls.call(self._is_attended):
            seen |= {key: vswitchd.unattended(seen[key]) for key in unproven}
        return seen

    def _remember(self, which: _Which) -> dict[Key, Found] | None:
        self._calls.fail_if_hanging()
        if not self._lock.acquire(timeout=PATIENCE_SECONDS):
            raise OvsdbUnavailable(DOES_NOT_ANSWER)
        try:
            if not self._client.connected:
                return None
            if self._client.take_in():
                self._calls.wake()  # of what has come the thread tells, or has waited for it
            return self._seen(which()) if self._client.current else None
        finally:
            self._lock.release()

    def _run(self) -> None:
        while not self._stopping:
            try:
                self._turn()
            except Exception:
                LOG.exception("OVSDB thread: connecting anew")
                with self._lock:
                    self._client.start_over()
                time.sleep(1)

    def _turn(self) -> None:
        with self._lock:
            self._client.run()
        self._tell()
        self._calls.carry_out(self._connect)
        self._tell()
        poller = self._poller()
        if not self._calls:
            poller.block()
        self._calls.drain()

    def _tell(self) -> None:
        self._was_connected = self._notices.tell()

    def _connect(self) -> None:
        """A call that comes before the replica is there waits for it, within the timeout."""
        if not self._goes_on_until(lambda: self._client.connected, self._grace()):
            self._was_connected = False
            raise OvsdbUnavailable(f"ovsdb: {self._notices.away}")
        self._tell()  # of the connection, before anything is seen through it

    def _wait_for(self, answer: Answer) -> None:
        if not self._goes_on_until(lambda: answer.here, self._timeout):
            raise OvsdbUnavailable("ovsdb: the server gives no answer")

    def _goes_on_until(self, done: Callable[[], bool], seconds: float) -> bool:
        """Not longer than that; also ``stop`` ends it."""
        deadline = time.monotonic() + seconds
        while not done():
            left = deadline - time.monotonic()
            if left <= 0 or self._stopping:
                return False
            poller = self._poller()
            poller.timer_wait(int(left * 1000) + 1)
            poller.block()
            self._calls.drain()
            with self._lock:
                self._client.run()
        return True

    def _grace(self) -> float:
        """Seconds for the connection to come (back): for one that nobody has seen come, none."""
        if self._was_connected:
            return self._timeout
        return 0.5 if time.monotonic() < self._started + _YOUNG_SECONDS else 0.0

    def _poller(self) -> Any:
        poller = ovs.poller.Poller()
        self._calls.wait(poller)
        with self._lock:
            self._client.wait(poller)
        return poller

    def _read(self, which: _Which) -> dict[Key, Found]:
        with self._lock:
            return self._seen(which())

    def _is_attended(self) -> bool:
        with self._lock:
            answer, unlocked = vswitchd.ask(self._client)
        self._wait_for(unlocked)
        return vswitchd.is_there(answer)

    def _tags(self) -> dict[str, int]:
        with self._lock:
            answer = self._client.request("transact", glimpsed.TAGS)
        self._wait_for(answer)
        return glimpsed.tags(answer)

    def _seen(self, keys: Collection[Key]) -> dict[Key, Found]:
        found = ((key, self._rows.found(key, self._vswitchd.awaited(key.name))) for key in keys)
        seen = {key: thing for key, thing in found if thing is not None}
        for key in keys:
            if key.space == OVS_BRIDGE:
                self._notices.tell_unattended(key.name, seen.get(key))
        return seen
