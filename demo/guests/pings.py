"""What the guests themselves say of their pings."""

from __future__ import annotations

import time
from collections.abc import Sequence

from demo.guests.guest import Guest
from demo.guests.stage import wait

_MORE = 5  # answers that each NIC must have had before a step counts as survived
_LATE = 15.0  # seconds: an answer that comes so late, after later ones, is not lost
Count = dict[tuple[str, str], tuple[int, int]]


def count(guests: Sequence[Guest]) -> Count:
    """By guest and peer's address: answered, and the number of the last of these."""
    return {
        (guest.name, address): told
        for guest in guests
        for address, told in guest.answered().items()
    }


def answered(counted: Count) -> int:
    return sum(number for number, _ in counted.values())


def lost(counted: Count) -> dict[tuple[str, str], int]:
    """How many have had no answer, though a later one had."""
    gaps = {key: last + 1 - number for key, (number, last) in counted.items()}
    return {key: number for key, number in gaps.items() if number}


def go_on(guests: Sequence[Guest], what: str) -> Count:
    """Returns when each NIC of each guest has been answered some times more, and what is late has
    come."""
    before = count(guests)

    def more() -> bool:
        return all(now >= before[key][0] + _MORE for key, (now, _) in count(guests).items())

    wait(more, f"pings of all NICs {what}")
    deadline = time.monotonic() + _LATE
    while lost(counted := count(guests)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return counted
