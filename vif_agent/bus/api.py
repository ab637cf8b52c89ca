"""The sender's client: what nova-compute, or anything else, uses to reach an agent.

A conventional ``rpcapi``. It changes no option of the caller's configuration.
"""

import contextlib
import math
import time
from collections.abc import Sequence
from typing import Any

import kombu.exceptions
import oslo_messaging

from vif_agent import bus
from vif_agent.bus import connections, remedies
from vif_agent.bus import transport as ours
from vif_agent.bus.generations import Generations
from vif_agent.bus.last_seen import LastSeen
from vif_agent.bus.limits import Limits, TimeOver
from vif_agent.bus.questions import Questions
from vif_agent.errors import InvalidRequest, StaleGeneration
from vif_agent.ports.port import PENDING, READY, RETRYING, UNPLUGGED
from vif_agent.vif import port_id_of

_REPLY_SECONDS = 10
#: an agent that dies with a question in hand never answers it: none is longer than this
_QUESTION_SECONDS = 5.0
_PAUSE_SECONDS = 0.5
_SOONER_SECONDS = 0.75  # oslo.messaging up to 18.1 looks for an answer twice a second
_NO_BUS = (oslo_messaging.MessageDeliveryFailure, kombu.exceptions.OperationalError)
#: a broker drops what no queue takes, and confirms it all the same, unless it is asked to tell
_TELL = oslo_messaging.TransportOptions(at_least_once=True)
_LAST_SEEN, _GENERATIONS = LastSeen(), Generations()


class PlugFailed(Exception):
    """The agent's own error: ``code`` and ``message`` as in its notification."""

    def __init__(self, port_id: str, code: str, message: str) -> None:
        super().__init__(f"port {port_id}: {message} ({code})")
        self.port_id = port_id
        self.code = code


class NoAnswer(Exception):
    """The agent, or the broker, has not answered in time; the cast may still be carried out."""


class NoQueue(NoAnswer):
    """The broker has no queue of that host's now: the cast went nowhere."""


class VifAgentAPI(Questions):
    """``context`` is a RequestContext or a dict, ``host`` the agent's ``[DEFAULT] host``.

    ``conf`` must be oslo.config's global CONF: oslo.messaging 18 reads some options nowhere else.
    ``timeout``: seconds for the answer to a call, and for the broker to take a cast that nobody
    waits for. ``must_reach``: a call to a host whose agent has never joined the bus ends at
    once, with oslo_messaging.MessageUndeliverable.
    """

    def __init__(
        self,
        conf: Any = None,
        transport: Any = None,
        *,
        timeout: float = _REPLY_SECONDS,
        must_reach: bool = False,
    ) -> None:
        messaging = connections.mended(transport) if transport else connections.rpc(conf)
        self._casts = oslo_messaging.get_rpc_client(messaging, ours.target(bus.CAST_TOPIC))
        self._calls = oslo_messaging.get_rpc_client(messaging, ours.target(bus.ADMIN_TOPIC))
        self._timeout = timeout
        self._limits = Limits()
        self._options = oslo_messaging.TransportOptions(at_least_once=must_reach)

    def plug_vif(
        self,
        context: Any,
        host: str,
        instance: Any,
        vif: Any,
        *,
        wait: float | None = None,
        generation: int | None = None,
    ) -> dict[str, Any] | None:
        """Cast; with ``wait`` (seconds) also wait for the port to be ready, and return it.

        Raises PlugFailed when the agent refuses or cannot, NoAnswer when time runs out: ``wait``
        is the limit of all together, ``timeout`` that of a cast alone. While the broker has no
        queue for the host, a cast with ``wait`` is sent again, and one without raises NoQueue.
        ``generation`` defaults to the clock, in nanoseconds: a later request of this process has a
        greater one, also when the clock is set back.
        """
        return self._send("plug_vif", context, host, instance, vif, wait, generation)

    def unplug_vif(
        self,
        context: Any,
        host: str,
        instance: Any,
        vif: Any,
        *,
        wait: float | None = None,
        generation: int | None = None,
    ) -> dict[str, Any] | None:
        """As ``plug_vif``; settled when nothing of the port is left on the host."""
        return self._send("unplug_vif", context, host, instance, vif, wait, generation)

    def sync_vifs(
        self,
        context: Any,
        host: str,
        vifs: Sequence[Any],
        *,
        complete: bool = False,
        generation: int | None = None,
        sender: str = "",
    ) -> None:
        """Cast the ports of this host: each is plugged, if it is not.

        An item is a VIF or ``{"instance": ..., "vif": ...}``. With ``complete`` these are all the
        ports of the host: others that the agent has plugged are unplugged. Take ``generation``
        (``time.time_ns()``) before the list is read: what is plugged after that is newer than the
        list and stays. An empty list unplugs nothing until it is sent again, an interval later.
        ``sender``: these are only the ports of whoever signs his VIFs so (``vif_agent.wishes``),
        and others stay; without it those that are signed do.
        Raises NoAnswer when the broker has not taken it within ``timeout``.
        """
        generation = _GENERATIONS() if generation is None else generation
        arguments = {"vifs": list(vifs), "complete": complete, "generation": generation}
        arguments |= {"sender": sender} if sender else {}
        self._cast(self._timeout, context, host, "sync_vifs", **arguments)

    def wait_vif(
        self, context: Any, host: str, port_id: str, generation: int | None, timeout: float
    ) -> dict[str, Any]:
        """The port once its request is settled, else as it is after ``timeout`` seconds in all.

        Raises oslo_messaging.MessagingTimeout when the agent has not answered by then. It is asked
        to answer a little sooner, so that its answer has time to arrive.
        """
        asked = timeout - min(_SOONER_SECONDS, timeout / 4)
        arguments = {"port_id": port_id, "generation": generation, "timeout": asked}
        return self._call(context, host, "wait_vif", timeout, **arguments)  # type: ignore[no-any-return]

    def _send(
        self,
        method: str,
        context: Any,
        host: str,
        instance: Any,
        vif: Any,
        wait: float | None,
        generation: int | None,
    ) -> dict[str, Any] | None:
        port_id = "" if wait is None else _port_id(vif)
        generation = time.time_ns() if generation is None else generation
        limit = self._timeout if wait is None else wait
        deadline = time.monotonic() + limit
        arguments = {"instance": instance, "vif": vif, "generation": generation}
        if wait is None:
            self._cast(limit, context, host, method, **arguments)
            return None
        self._reach(deadline, context, host, method, **arguments)
        view = self._wait(context, host, port_id, generation, deadline)
        aim = READY if method == "plug_vif" else UNPLUGGED
        if view and view["state"] == aim and not view.get("overtaken"):
            return view
        raise _failure(host, port_id, generation, wait, view)

    def _reach(self, deadline: float, *cast: Any, **args: Any) -> None:
        """Again and again while the agent has not rejoined a broker that has lost its queue."""
        missed: NoQueue | None = None
        while True:
            try:
                return self._cast(max(0.0, deadline - time.monotonic()), *cast, **args)
            except NoQueue as error:
                missed = error
            except NoAnswer as error:  # the last try has little time, and so says little
                raise (missed or error) from None
            if deadline - time.monotonic() < _PAUSE_SECONDS:
                raise missed
            time.sleep(_PAUSE_SECONDS)

    def _cast(self, limit: float, context: Any, host: str, method: str, /, **args: Any) -> None:
        how = {"retry": _attempts(limit), "transport_options": _TELL}
        cast = self._casts.prepare(server=host, **how)
        try:
            self._limits.within(limit, lambda: cast.cast(context, method, **args))
        except oslo_messaging.MessageUndeliverable:
            raise NoQueue(
                f"vif-agent on {host}: the broker has no queue for it: the agent has not joined it "
                f"yet, or the node of the cluster that has the queue is away; {_LAST_SEEN(host)}"
            ) from None
        except _NO_BUS as error:
            why = remedies.remedy(error) or f"the bus cannot be reached: {error}"
            raise NoAnswer(f"vif-agent on {host}: {why}") from None
        except TimeOver:
            raise NoAnswer(
                f"vif-agent on {host}: the broker takes nothing: it has not taken {method} in "
                f"{limit:g} s. Has it an alarm (rabbitmq-diagnostics alarms), or is it stopped?"
            ) from None

    def _wait(
        self, context: Any, host: str, port_id: str, generation: int, deadline: float
    ) -> dict[str, Any] | None:
        """The port's last view before the deadline; None if the agent has given none."""
        view, next_question = None, 0.0
        while not _settled(view) and (left := deadline - time.monotonic()) > 0:
            if (pause := next_question - time.monotonic()) > 0:  # too many wait: answered at once
                time.sleep(min(pause, left))
                continue
            next_question = time.monotonic() + _PAUSE_SECONDS
            question = min(left, _QUESTION_SECONDS)
            with contextlib.suppress(oslo_messaging.MessagingTimeout, *_NO_BUS):
                view = self.wait_vif(context, host, port_id, generation, question)
        return view

    def _call(
        self, context: Any, host: str, name: str, timeout: float | None = None, /, **args: Any
    ) -> Any:
        timeout = self._timeout if timeout is None else timeout
        limits = {"timeout": timeout, "retry": _attempts(timeout)}
        call = self._calls.prepare(server=host, transport_options=self._options, **limits)
        try:
            answer = self._limits.within(timeout, lambda: call.call(context, name, **args))
        except TimeOver:
            raise oslo_messaging.MessagingTimeout(
                f"vif-agent on {host} has not answered {name} in {timeout:g} s"
            ) from None
        _LAST_SEEN.note(host)
        return answer


def _attempts(seconds: float) -> int:
    """How often to try to reach the broker: the pauses are 1, 3, 5 … seconds, n squared in all."""
    return max(1, math.isqrt(int(seconds * 0.8)))


def _port_id(vif: Any) -> str:
    """Its canonical form: under that the agent knows it. A bad one needs no agent to refuse it."""
    try:
        return port_id_of(vif)
    except InvalidRequest as error:
        raise PlugFailed("-", error.code, str(error)) from None


def _settled(view: dict[str, Any] | None) -> bool:
    return view is not None and view["state"] not in (PENDING, RETRYING)


def _failure(
    host: str, port_id: str, generation: int, wait: float, view: dict[str, Any] | None
) -> PlugFailed | NoAnswer:
    if view is None:
        return NoAnswer(f"vif-agent on {host} has not answered for {wait:g} s; {_LAST_SEEN(host)}")
    if view["state"] in (READY, UNPLUGGED):
        newer = f"generation {view['generation']} has overtaken this one, {generation}"
        return PlugFailed(port_id, StaleGeneration.code, newer)
    error = view.get("error")
    if error and view["state"] != PENDING and not error["transient"]:
        return PlugFailed(port_id, error["code"], error["message"])
    why = f": {error['message']}" if error and view["state"] == RETRYING else ""
    what = f"has not done port {port_id} in {wait:g} s{why}"
    return NoAnswer(f"vif-agent on {host} {what}; {_LAST_SEEN(host)}")
