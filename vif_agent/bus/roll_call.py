"""Which agents are there? A question to all at once, which each answers by its name.

There is no list of agents anywhere, and a broker tells nobody who has joined it. So the queue of
each agent's calls is bound to a name that all share, too. Nothing of a question stays: an agent
that hangs, or is not running, never gets it once its time is over.
"""

from collections.abc import Callable
from typing import Any

from vif_agent import bus
from vif_agent.private_names import oslo_messaging as private

_QUESTION = {"method": "get_identity", "args": {}, "version": bus.VERSION}


def possible(messaging: Any) -> bool:
    """It is by the names of a queue, which other buses than AMQP's have not."""
    return private.speaks_amqp(messaging)


def call(
    messaging: Any, seconds: float, hear: Callable[[Any], None], ended: Callable[[], bool]
) -> None:
    """``hear`` gets each answer, and before them None, when the broker has the question.

    Blocks until ``ended``, and while the broker is away.
    """
    asked = private.RollCall(messaging, hear)
    try:
        asked.send(bus.EXCHANGE, bus.EVERYBODY_TOPIC, _QUESTION, seconds)
        hear(None)
        asked.listen(ended)
    finally:
        asked.close()
