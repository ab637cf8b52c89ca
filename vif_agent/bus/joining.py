"""Joining a queue, for as long as that takes.

A running agent rejoins by itself, whatever becomes of the broker; so does one that starts. In a
cluster no queue can be declared whose node is away.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Self

import oslo_messaging

from vif_agent.bus import declared, remedies
from vif_agent.bus.pauses import spread
from vif_agent.private_names import oslo_servers as private
from vif_agent.private_names.oslo_messaging import LOG_NAME

LOG = logging.getLogger(__name__)

_PAUSE_SECONDS = 3.0
_SILENCE_SECONDS = 10.0
_DRIVER = logging.getLogger(LOG_NAME)


def patiently(listen: Callable[[], Any]) -> Any:
    """The listener, as soon as the broker grants it; what is in the way is logged once."""
    with _Once() as once:
        while True:
            try:
                return listen()
            except Exception as error:  # a login that is refused may be granted later
                once.say(remedies.remedy(error) or _cause(error))
            time.sleep(spread(_PAUSE_SECONDS))


def _cause(error: Exception) -> object:
    failed = isinstance(error, oslo_messaging.MessageDeliveryFailure)
    return (failed and error.__context__) or error


class Rejoins:
    """For a listener: what the broker refuses is tried again now and then, and logged once."""

    _logged = ""
    pause: Callable[[float], None]

    def poll(self, *args: Any, **kwargs: Any) -> Any:
        """As the listener's own; nothing has come where the broker refuses."""
        try:
            polled = super().poll(*args, **kwargs)  # type: ignore[misc]
        except oslo_messaging.MessageDeliveryFailure as error:
            self._tell(remedies.remedy(error) or str(_cause(error)))
            self.pause(spread(_PAUSE_SECONDS))
            return []
        self._logged = ""
        return polled

    def _tell(self, what: str) -> None:
        if what != self._logged:
            self._logged = what
            LOG.error("The bus cannot be read, and what is sent to us waits there: %s", what)


class _Calls(Rejoins, private.CallListener):
    pass


class _Once(logging.Filter):
    """The driver tries some things again by itself, for ever, with up to five lines at each try: in
    this thread each kind of line passes once.

    And RabbitMQ 4.0 does not answer at all where the node of a durable queue was killed.
    """

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()
        self._kinds: set[str] = set()
        self._logged = False

    def __enter__(self) -> Self:
        _DRIVER.addFilter(self)
        why = f"the broker has not let us in for {_SILENCE_SECONDS:g} s"
        self._timer = threading.Timer(_SILENCE_SECONDS, self.say, (why,))
        self._timer.daemon = True
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        _DRIVER.removeFilter(self)

    def say(self, why: object) -> None:
        if not self._logged:
            self._logged = True
            LOG.warning("Cannot join the bus yet; trying until it can be done: %s", why)

    def filter(self, record: logging.LogRecord) -> bool:
        if record.thread != self._thread or record.levelno < logging.WARNING:
            return True
        if new := record.msg not in self._kinds:
            self._kinds.add(record.msg)
        else:
            self.say(record.getMessage())
        return new


def calls(messaging: Any, host: str) -> Any:
    """A listener for the calls to this host.

    oslo.messaging's own joins two more queues: one that all agents share, for calls to any of
    them, and one for casts to all, which nobody answers. Each is one more that may be refused, or
    be on a node that is away.
    """
    connection = declared.connect(messaging)
    listener = _Calls(messaging, connection)
    listener.consume(declared.calls_queue(host, listener)(connection))
    return private.polled(listener, None)
