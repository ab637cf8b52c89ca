"""The agent, asked over the bus, within a time.

oslo.messaging has no bound of its own for this: a call's timeout counts from the moment its message
is sent, and until then the driver tries to connect, for ever, whatever ``retry`` says (it makes the
connection for the replies without it). So a call runs in a thread, and is left behind in it.
"""

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import oslo_messaging

from vif_agent.bus import connections, remedies, roll_call, transport
from vif_agent.bus.api import VifAgentAPI
from vif_agent.cmd.ctl.failures import Failed, Unreachable
from vif_agent.errors import NotConfigured

_CONTEXT: dict[str, str] = {}
_LEAVE_SECONDS = 1.0
_QUIET_SECONDS = 2.0
_REPLIES_TTL = 60  # seconds; oslo's own, 1800, would leave one queue a command behind for so long


class Remote:
    """Every call takes at most ``timeout`` seconds; Failed or Unreachable say why it did not do."""

    def __init__(self, conf: Any, host: str, timeout: float) -> None:
        self._host = host
        self._timeout = timeout
        self._answered = False
        try:
            transport.check_url(conf)
            self._transport = connections.rpc(conf)
            url = oslo_messaging.TransportURL.parse(conf)
        except NotConfigured as error:
            raise Failed(str(error)) from error
        except Exception as error:
            raise Failed(f"transport_url: {error}") from error
        brokers = (f"{b.hostname}:{b.port or 5672}" for b in url.hosts)
        #: in words, for messages
        self.bus = f"the bus ({', '.join(brokers) or url.transport + '://'})"
        if url.transport == "rabbit":
            conf.set_override("rabbit_transient_queues_ttl", _REPLIES_TTL, "oslo_messaging_rabbit")
        self._api = VifAgentAPI(transport=self._transport, timeout=timeout, must_reach=True)

    def ask(self, call: str, /, **arguments: Any) -> Any:
        """The call's answer; ``arguments`` as ``VifAgentAPI`` has them."""
        return self.ask_of(self._host, call, **arguments)

    def ask_of(self, host: str, call: str, /, **arguments: Any) -> Any:
        """The same of another host's agent; may be called from several threads at once."""

        def run(put: Callable[[Any], None]) -> None:
            put(getattr(self._api, call)(_CONTEXT, host, **arguments))

        who = f"the agent on {host}"
        with self._outcomes(run, who) as outcomes:
            try:
                answer = outcomes.get(timeout=self._timeout)()
            except queue.Empty:
                raise self._silent(who) from None
        self._answered = True
        return answer

    def everybody(self) -> Iterator[str]:
        """The hosts of all agents that say who they are, until none has for some seconds.

        Unreachable where the bus has not even taken the question.
        """
        if not roll_call.possible(self._transport):
            raise Failed(f"{self.bus} has no way to ask all agents: name them")
        ended, over = threading.Event(), time.monotonic() + self._timeout

        def run(put: Callable[[Any], None]) -> None:
            roll_call.call(self._transport, self._timeout, put, ended.is_set)

        with self._outcomes(run, "an agent") as outcomes:
            try:
                outcomes.get(timeout=self._timeout)()
            except queue.Empty:
                raise Unreachable(f"{self.bus} takes nothing in {self._timeout:g} s") from None
            try:
                while (left := over - time.monotonic()) > 0:
                    yield outcomes.get(timeout=min(left, _QUIET_SECONDS))()["host"]
                    self._answered = True
            except queue.Empty:
                return
            finally:
                ended.set()

    @contextlib.contextmanager
    def _outcomes(
        self, run: Callable[[Callable[[Any], None]], None], who: str
    ) -> Iterator["queue.SimpleQueue[Callable[[], Any]]"]:
        """What is put by ``run``, in a thread, to be called: it answers that, or raises why not."""
        outcomes: queue.SimpleQueue[Callable[[], Any]] = queue.SimpleQueue()
        watch = _Refusals(lambda why: outcomes.put(_raiser(self._away(why))))
        logging.getLogger("oslo.messaging").addHandler(watch)

        def watched() -> None:
            try:
                run(lambda answer: outcomes.put(lambda: answer))
            except Exception as error:
                outcomes.put(_raiser(self._translated(error, who), error))

        threading.Thread(target=watched, daemon=True).start()
        try:
            yield outcomes
        finally:
            logging.getLogger("oslo.messaging").removeHandler(watch)

    def close(self) -> None:
        """Politely, for brokers log those who just go; but not for long."""
        if not self._answered:
            return
        leaving = threading.Thread(target=self._transport.cleanup, daemon=True)
        leaving.start()
        leaving.join(_LEAVE_SECONDS)

    def _silent(self, who: str) -> Unreachable:
        return Unreachable(f"{who} has not answered over {self.bus} in {self._timeout:g} s")

    def _away(self, why: object) -> Unreachable:
        return Unreachable(f"{self.bus} cannot be reached: {remedies.remedy(why) or why}")

    def _translated(self, error: Exception, who: str) -> Failed:
        if isinstance(error, oslo_messaging.RemoteError):
            return Failed(f"{who} says: {error.value or error.exc_type}")
        if isinstance(error, oslo_messaging.MessagingTimeout):
            return self._silent(who)
        if isinstance(error, oslo_messaging.MessageUndeliverable):
            return Unreachable(f"no {who.removeprefix('the ')} has joined {self.bus}")
        return self._away(str(error) or repr(error))


class _Refusals(logging.Handler):
    """Tells when every broker has refused once, or the queue for the replies.

    The driver tells nobody but its log: "Connection failed: %s (retrying in %s seconds)", where
    the seconds are 0 as long as there is another broker to try.
    """

    def __init__(self, refused: Callable[[object], None]) -> None:
        super().__init__(logging.ERROR)
        self._refused = refused

    def emit(self, record: logging.LogRecord) -> None:
        args = record.args
        if "Connection failed" in str(record.msg) and isinstance(args, tuple) and args[-1]:
            self._refused(args[0])
        elif remedy := remedies.remedy(record.getMessage()):
            self._refused(remedy)


def _raiser(failure: Failed, cause: Exception | None = None) -> Callable[[], Any]:
    def throw() -> Any:
        raise failure from cause

    return throw
