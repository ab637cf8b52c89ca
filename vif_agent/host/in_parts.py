"""To read much under a lock that others work under, without keeping them waiting."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from threading import Lock
from typing import TypeVar

_Item = TypeVar("_Item")
_Fact = TypeVar("_Fact")

_AT_ONCE = 100


def in_parts(
    lock: Lock, items: Sequence[_Item], read: Callable[[Sequence[_Item]], Iterable[_Fact]]
) -> Iterator[_Fact]:
    """What ``read`` makes of some items at a time; whoever waits for the lock has it in between."""
    for start in range(0, len(items), _AT_ONCE):
        with lock:
            facts = [*read(items[start : start + _AT_ONCE])]
        yield from facts
        time.sleep(0)
