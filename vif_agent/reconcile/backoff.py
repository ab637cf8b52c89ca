"""When a port is tried again that has failed: at growing pauses."""

import random
from typing import Any


class RetryBackoff:
    """``options``: the group ``[vif_agent]``, whose ``retry_min`` and ``retry_max`` may change."""

    def __init__(self, options: Any) -> None:
        self._options = options

    def pause(self, failures: int) -> float:
        """Seconds, after so many failures before this one."""
        pause = self._options.retry_min * 2 ** min(failures, 20)
        return float(min(pause, self._options.retry_max) * random.uniform(0.8, 1.2))
