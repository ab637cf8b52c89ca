"""To leave the bus at once.

Who reads from a broker in oslo.messaging looks at his orders every five seconds only. The answer
to a message wakes him sooner: the broker is told that nothing more is wanted.
"""

import logging
from typing import Any

LOG = logging.getLogger(__name__)

_BASIC_CANCEL = (60, 30)  # AMQP 0-9-1: consumer tag, no answer wanted


def stop(server: Any) -> None:
    """As ``server.stop()``. It has been started; blocks while the broker is away."""
    reader: Any = getattr(server.listener, "_poll_style_listener", None)
    if connection := getattr(reader, "conn", None):  # the in-process bus has none
        reader._shutdown.set()
        connection.stop_consuming()
        _cancel(connection)
    server.stop()


def _cancel(connection: Any) -> None:
    """Only sent: the answer is for who reads."""
    try:
        for tag in list(connection._consumers.values()):
            connection.channel.send_method(_BASIC_CANCEL, "sb", (str(tag), False))
    except Exception as error:  # the connection is lost, or is being made
        LOG.debug("Nobody to tell that nothing more is wanted: %s", error)
