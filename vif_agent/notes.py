"""What is to be looked at in the next round: noted by the bus, the host, timers and operators.

They only take note here and wake the loop. While a round runs, wishes gather, and the next round
takes them all.
"""

import dataclasses
import threading
from collections.abc import Collection, Iterable

from vif_agent.resources import Key


@dataclasses.dataclass
class Noted:
    """What one round is to take up."""

    wished: set[str] = dataclasses.field(default_factory=set)  # by a cast or an operator
    again: set[str] = dataclasses.field(default_factory=set)  # something was done for them
    everywhere: bool = False
    changed: set[Key] = dataclasses.field(default_factory=set)  # links and OVS ports
    complete: bool = False  # a complete set of ports was cast: what is in no wish is to go
    doubted: set[str | None] = dataclasses.field(default_factory=set)  # by an operator; None: all


class Notes:
    """Safe to use from several threads."""

    def __init__(self) -> None:
        self._news = threading.Condition()
        self._noted = Noted()
        self._ended = False

    @property
    def ended(self) -> bool:
        """Is there to be no further round?"""
        return self._ended

    def end(self) -> None:
        with self._news:
            self._ended = True
            self._news.notify()

    def wake(self, port_ids: Iterable[str]) -> None:
        with self._news:
            self._noted.wished.update(port_ids)
            self._news.notify()

    def set_taken(self, complete: bool) -> None:
        """A set of this host's ports is in the store; ``complete``: nothing else is to be here."""
        with self._news:
            self._noted.complete |= complete
            self._noted.everywhere = True
            self._news.notify()

    def repair(self, port_id: str | None) -> None:
        """Look at this port again, or at the whole host; what cannot be seen is done again."""
        with self._news:
            self._noted.doubted.add(port_id)
        if port_id is None:
            self.everything()
        else:
            self.wake({port_id})

    def again(self, port_ids: Collection[str]) -> None:
        """Something was done for them, or their plugin has answered."""
        with self._news:
            self._noted.again.update(port_ids)
            self._news.notify()

    def host_changed(self, keys: frozenset[Key] | None) -> None:
        """None: anything may have."""
        if keys is None:
            self.everything()
            return
        with self._news:
            self._noted.changed.update(keys)
            self._news.notify()

    def everything(self) -> None:
        with self._news:
            self._noted.everywhere = True
            self._news.notify()

    def changed(self) -> set[Key]:
        """What has changed since the last ``take``."""
        with self._news:
            return set(self._noted.changed)

    def take(self) -> Noted:
        with self._news:
            noted, self._noted = self._noted, Noted()
        return noted

    def wait(self, seconds: float) -> None:
        """Until there is something to take, or the end; no longer than this."""
        with self._news:
            if self._noted == Noted() and not self._ended:
                self._news.wait(seconds)
