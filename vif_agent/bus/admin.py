"""The operators' calls (topic ``vif_agent_admin``): see, wait, dry run, repair, clean up."""

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

import oslo_messaging
from oslo_messaging.rpc.dispatcher import RPCDispatcher

from vif_agent import bus
from vif_agent.bus import arguments, joining, transport
from vif_agent.bus.replies import Replies
from vif_agent.bus.report import Report
from vif_agent.bus.views import event as event_view
from vif_agent.bus.views import port as port_view
from vif_agent.bus.waiters import Later
from vif_agent.errors import VifAgentError
from vif_agent.ports.store import Store
from vif_agent.private_names import oslo_servers as private

_LONGEST_LIMIT = 1 << 31  # seconds that a caller may say it waits
_FOR_EVERYBODY = {"get_identity"}  # nobody is to repair, or clean up, all hosts by one message
_Call = TypeVar("_Call", bound=Callable[..., Any])


def _call(call: _Call) -> _Call:
    """What is wrong with the arguments or the host is the caller's to know, not our log's."""

    @functools.wraps(call)
    def checked(self: "PortCalls", ctxt: Any, /, **given: Any) -> Any:
        return call(self, ctxt, **arguments.of_call(call, given))

    wrapped: _Call = oslo_messaging.expected_exceptions(VifAgentError)(checked)
    return wrapped


class AdminOperations(Protocol):
    """Who answers what is not in the store: ``vif_agent.daemon.operations``."""

    def plan(self, message: dict[str, Any]) -> dict[str, Any]:
        """What the cast would do: ``{"text": ..., "steps": [...]}``; nothing is done."""

    def check(self, port_id: str) -> dict[str, Any]:
        """How the host differs from what the port wants: ``{"ok", "state", "text", "steps"}``."""

    def explain(self, port_id: str) -> dict[str, Any]:
        """What happened to the port, how it is now, whose turn it is."""

    def orphans(self) -> list[dict[str, Any]]:
        """One dict for each port that nobody asked for and that has something on the host."""

    def cleanup(self, dry_run: bool) -> dict[str, Any]:
        """Remove the orphans that are due, or say which: ``{"text", "steps", "failed"}``."""

    def guard(self, port_id: str) -> dict[str, Any] | None:
        """What the port's guest may say of itself; None where nothing guards it."""

    def firewall(self) -> dict[str, Any]:
        """All guards of the host, and what they have dropped: ``{"guards", "drops"}``."""

    def topology(
        self,
        port_id: str | None = None,
        network: str | None = None,
        bridge: str | None = None,
        everything: bool = False,
    ) -> dict[str, Any]:
        """The picture of the host, or of a part of it."""

    def identity(self) -> dict[str, Any]:
        """Who answers: ``{"host", "version"}``."""

    def status(self) -> dict[str, Any]:
        """What the agent is at, by words that ``vif-agentctl status`` prints."""

    def health(self) -> dict[str, Any] | None:
        """How it is, part by part, without any lock: ``{"state", "why", "parts"}``."""

    def plugins(self) -> list[dict[str, Any]]:
        """One dict for each vif_type: its plugin, and why another's does not plug it."""

    def firewall_drivers(self) -> list[dict[str, Any]]:
        """One dict for each that is installed: is it the one that is used, and can it be?"""


class PortCalls:
    """Those about ports; see ``Calls``."""

    target = oslo_messaging.Target(version=bus.VERSION)

    def __init__(
        self,
        operations: AdminOperations,
        repair: Callable[[str | None], None],
        store: Store,
        report: Report,
    ) -> None:
        self._operations = operations
        self._repair = repair
        self._store = store
        self._report = report

    @_call
    def get_vif(self, ctxt: Any, port_id: str) -> dict[str, Any] | None:
        """The port as it was saved last; None for one that is not known. ``guard``: if it has one,
        what its guest may say of itself."""
        view = self._report.get(port_id)
        guard = self._operations.guard(port_id) if view else None
        return {**view, "guard": guard} if view and guard else view

    @_call
    def list_vifs(self, ctxt: Any, unplugged: bool = False) -> list[dict[str, Any]]:
        """All ports; those that were unplugged lately too, if asked for."""
        ports = self._store.ports() if unplugged else self._store.live()
        return list(map(port_view, ports.values()))

    @_call
    def wait_vif(
        self, ctxt: Any, port_id: str, generation: int | None = None, timeout: float = 30
    ) -> Any:
        """The port once it is settled, else as it is after ``timeout`` seconds."""
        return self._report.answer(port_id, generation, timeout)

    @_call
    def repair(self, ctxt: Any, port_id: str | None = None) -> None:
        """Look at the port (None: at all ports) now; answers before that is done."""
        self._repair(port_id)

    @_call
    def forget_vif(self, ctxt: Any, port_id: str) -> str:
        """The next cast for the port counts, whatever its generation; what was done, in words."""
        return self._store.forget_port(port_id)

    @_call
    def check_vif(self, ctxt: Any, port_id: str) -> dict[str, Any]:
        """How the host differs from what the port wants; nothing is done."""
        return self._operations.check(port_id)

    @_call
    def explain_vif(self, ctxt: Any, port_id: str) -> dict[str, Any]:
        """What happened to the port, how it is now, whose turn it is; see docs/why.md."""
        return self._operations.explain(port_id)

    @_call
    def get_events(
        self, ctxt: Any, since: int | None = None, port_id: str | None = None
    ) -> dict[str, Any]:
        """What has happened to ports, or to this, since there were so many events."""
        recent = self._store.history.since(since, port_id)
        events = list(map(event_view, recent.events))
        return {"events": events, "so_far": recent.so_far, "lost": recent.lost}


class Calls(PortCalls):
    """Every public method is a call of the bus's version 1.0, those about ports too."""

    @_call
    def plan(
        self,
        ctxt: Any,
        cast: str,
        vif: Any = None,
        instance: Any = None,
        vifs: Any = None,
        complete: bool = False,
    ) -> dict[str, Any]:
        """What this cast (or "cleanup") would do now: the steps as text and as values."""
        args = {"instance": instance, "vif": vif}
        if cast == "sync_vifs":
            args = {"vifs": vifs, "complete": complete}
        return self._operations.plan({"method": cast, "args": args})

    @_call
    def list_orphans(self, ctxt: Any) -> list[dict[str, Any]]:
        """What is on the host and belongs to no port that is known, as seen last."""
        return self._operations.orphans()

    @_call
    def cleanup(self, ctxt: Any, dry_run: bool = False) -> dict[str, Any]:
        """Remove the orphans that are due now; with ``dry_run`` only say which."""
        return self._operations.cleanup(dry_run)

    @_call
    def get_firewall(self, ctxt: Any) -> dict[str, Any]:
        """The guards of ports, and how many frames were dropped, by reason."""
        return self._operations.firewall()

    @_call
    def get_topology(
        self,
        ctxt: Any,
        port_id: str | None = None,
        network: str | None = None,
        bridge: str | None = None,
        everything: bool = False,
    ) -> dict[str, Any]:
        """What leads where on the host, of everybody's, and how the ports are that it is for."""
        return self._operations.topology(port_id, network, bridge, everything)

    @_call
    def get_identity(self, ctxt: Any) -> dict[str, Any]:
        """Who answers: for who asks all agents at once."""
        return self._operations.identity()

    @_call
    def get_health(self, ctxt: Any) -> dict[str, Any] | None:
        """How the agent is: also one that hangs answers."""
        return self._operations.health()

    @_call
    def get_status(self, ctxt: Any) -> dict[str, Any]:
        """The agent's own state; new keys may come, old ones stay."""
        return {
            **self._operations.status(),
            "told": dict(self._report.counts),
            "casts_wait": self._report.casts_wait,
            "casts_queue": self._report.casts_queue,
            "store": self._store.notice,
            "unreadable": dict(self._store.unreadable),
            "health": self._operations.health(),
        }

    @_call
    def list_plugins(self, ctxt: Any) -> list[dict[str, Any]]:
        """Which plugin plugs which vif_type."""
        return self._operations.plugins()

    @_call
    def list_firewall_drivers(self, ctxt: Any) -> list[dict[str, Any]]:
        """Which firewall drivers there are, and which one is used."""
        return self._operations.firewall_drivers()


class Door(RPCDispatcher):  # type: ignore[misc]
    """oslo.messaging's own asks nothing: a message that is no call ends in a traceback.

    Or worse: one that states a time limit and a namespace leaves a thread behind for good.
    """

    def __init__(
        self, endpoints: list[Any], serializer: Any, replies: Replies | None = None
    ) -> None:
        super().__init__(endpoints, serializer)
        self._replies = replies or Replies()

    def dispatch(self, incoming: Any) -> Any:
        """The answer, or ExpectedException for what is refused here."""
        if arguments.queue_name(private.reply_queue(incoming)) is None:
            private.answer_nobody(incoming)
        limit = private.time_limit(incoming)
        if not isinstance(limit, int) or not 0 < limit < _LONGEST_LIMIT:
            private.without_limit(incoming)
        known = {name for endpoint in self.endpoints for name in dir(endpoint) if name[0] != "_"}
        if private.sent_to(incoming) == bus.EVERYBODY_TOPIC:
            known &= _FOR_EVERYBODY
        try:
            arguments.check_message(incoming.message, sorted(known - {"target"}))
        except VifAgentError:
            raise oslo_messaging.ExpectedException from None
        answer = super().dispatch(incoming)
        if isinstance(answer, Later):
            self._answer_later(incoming, answer)
        return answer

    def _answer_later(self, incoming: Any, later: Later) -> None:
        """The thread that has read the call is free for others; the answer has one of its own."""
        caller, limit = private.reply_queue(incoming), private.time_limit(incoming)
        send = private.answered_apart(incoming)
        beat: dict[str, Any] = {}
        if isinstance(limit, int):
            beat = {"beat": lambda: self._replies.put(caller, incoming.heartbeat)}
            beat["pause"] = limit / 2
        later.ask(lambda view: self._replies.put(caller, lambda: send(view)), **beat)


class Server(private.CallServer):
    """On the queue of this host alone."""

    def listen(self, host: str) -> Any:
        """Blocks until the broker lets us in."""
        return joining.patiently(lambda: joining.calls(self.transport, host))


def server(messaging: Any, host: str, calls: Calls, replies: Replies) -> Any:
    """oslo.messaging's own pool makes a thread for each call, up to its bound, and keeps them."""
    target = transport.target(bus.ADMIN_TOPIC, host)
    made = oslo_messaging.get_rpc_server(messaging, target, [calls], server_cls=Server)
    made.dispatcher = Door([calls], None, replies)
    made.use_pool(ThreadPoolExecutor)  # takes an idle thread first
    return made
