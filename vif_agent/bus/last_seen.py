"""When each agent last answered this process, for the message that says it does not."""

import datetime
import time


class LastSeen:
    """Safe to use from several threads."""

    def __init__(self) -> None:
        self._started = time.time()
        self._answered: dict[str, float] = {}

    def note(self, host: str) -> None:
        """It has answered just now."""
        self._answered[host] = time.time()

    def __call__(self, host: str) -> str:
        """In words, for the end of an error's message."""
        if at := self._answered.get(host):
            return f"last seen at {_clock(at)}"
        return f"never seen, since this process started at {_clock(self._started)}"


def _clock(at: float) -> str:
    return datetime.datetime.fromtimestamp(at, datetime.UTC).isoformat(timespec="seconds")
