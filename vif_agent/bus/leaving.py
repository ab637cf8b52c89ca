"""To leave the bus at once.

Who reads from a broker in oslo.messaging looks at his orders every five seconds only. The answer
to a message wakes him sooner: it asks the broker for nothing more.
"""

import logging
from typing import Any

from vif_agent.private_names import oslo_servers as private

LOG = logging.getLogger(__name__)


def stop(server: Any) -> None:
    """As ``server.stop()``. It has been started; blocks while the broker is away."""
    try:
        private.stop_reading(server.listener)
    except Exception as error:  # the connection is lost, or is being made
        LOG.debug("Nobody to tell that nothing more is wanted: %s", error)
    server.stop()
