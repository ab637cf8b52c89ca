"""The agent, asked over the bus, within a time.

oslo.messaging has no bound of its own for this: a call's timeout counts from the moment its message
is sent, and until then the driver tries to connect, for ever, whatever ``retry`` says (it makes the
connection for the replies without it). So a call runs in a thread, and is left behind in it.
"""

import logging
import queue
import threading
from collections.abc import Callable
from typing import Any

import oslo_messaging

from vif_agent.bus import remedies, transport
from vif_agent.bus.api import VifAgentAPI
from vif_agent.cmd.ctl.failures import Failed, Unreachable
from vif_agent.errors import NotConfigured

_CONTEXT: dict[str, str] = {}
_LEAVE_SECONDS = 1.0
_REPLIES_TTL = 60  # seconds; oslo's own, 1800, would leave one queue a command behind for so long


class Remote:
    """Every call takes at most ``timeout`` seconds; Failed or Unreachable say why it did not do."""

    def __init__(self, conf: Any, host: str, timeout: float) -> None:
        self._host = host
        self._timeout = timeout
        self._answered = False
        try:
            transport.check_url(conf)
            self._transport = oslo_messaging.get_rpc_transport(conf)
            url = oslo_messaging.TransportURL.parse(conf)
        except NotConfigured as error:
            raise Failed(str(error)) from error
        except Exception as error:
            raise Failed(f"transport_url: {error}") from error
        brokers = (f"{b.hostname}:{b.port or 5672}" for b in url.hosts)
        self._bus = f"the bus ({', '.join(brokers) or url.transport + '://'})"
        if url.transport == "rabbit":
            conf.set_override("rabbit_transient_queues_ttl", _REPLIES_TTL, "oslo_messaging_rabbit")
        self._api = VifAgentAPI(transport=self._transport, timeout=timeout, must_reach=True)

    def ask(self, call: str, /, **arguments: Any) -> Any:
        """The call's answer; ``arguments`` as ``VifAgentAPI`` has them."""
        outcome: queue.SimpleQueue[Callable[[], Any]] = queue.SimpleQueue()
        watch = _Refusals(lambda why: outcome.put(_raiser(self._away(why))))
        logging.getLogger("oslo.messaging").addHandler(watch)

        def run() -> None:
            try:
                answer = getattr(self._api, call)(_CONTEXT, self._host, **arguments)
                outcome.put(lambda: answer)
            except Exception as error:
                outcome.put(_raiser(self._translated(error), error))

        threading.Thread(target=run, daemon=True).start()
        try:
            answer = outcome.get(timeout=self._timeout)()
        except queue.Empty:
            raise self._silent() from None
        finally:
            logging.getLogger("oslo.messaging").removeHandler(watch)
        self._answered = True
        return answer

    def close(self) -> None:
        """Politely, for brokers log those who just go; but not for long."""
        if not self._answered:
            return
        leaving = threading.Thread(target=self._transport.cleanup, daemon=True)
        leaving.start()
        leaving.join(_LEAVE_SECONDS)

    def _silent(self) -> Unreachable:
        return Unreachable(
            f"the agent on {self._host} has not answered over {self._bus} in {self._timeout:g} s"
        )

    def _away(self, why: object) -> Unreachable:
        return Unreachable(f"{self._bus} cannot be reached: {remedies.remedy(why) or why}")

    def _translated(self, error: Exception) -> Failed:
        if isinstance(error, oslo_messaging.RemoteError):
            return Failed(f"the agent on {self._host} says: {error.value or error.exc_type}")
        if isinstance(error, oslo_messaging.MessagingTimeout):
            return self._silent()
        if isinstance(error, oslo_messaging.MessageUndeliverable):
            return Unreachable(f"no agent on {self._host} has joined {self._bus}")
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
