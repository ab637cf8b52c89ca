"""Pauses at a broker that all agents share.

When it goes, all lose it at the same moment; with the same pauses all would come back at the same
moments, thousands at once, and be too late all together. So each has its own, at random.
"""

import random

_DELAY, _BACKOFF = 1.0, (1, 2, 3)


def spread(seconds: float) -> float:
    """From half of it to one and a half."""
    return seconds * random.uniform(0.5, 1.5)


def anywhere(seconds: float) -> float:
    """Of a period, for the first one: so that all are spread over it from then on."""
    return seconds * random.random()


def reconnecting() -> dict[str, float | int]:
    """For this process, options of oslo.messaging's driver; on average they are its own defaults.
    The delay comes before each try, and the pauses between tries grow by the other: so the longer
    a broker is away, the further apart are those who come back. Of kombu_reconnect_splay the driver
    only writes to its log."""
    return {
        "kombu_reconnect_delay": spread(_DELAY),
        "rabbit_retry_backoff": random.choice(_BACKOFF),
    }
