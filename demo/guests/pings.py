"""What the guests themselves say of their pings."""

from __future__ import annotations

from collections.abc import Sequence

from demo.guests.guest import Guest
from demo.guests.stage import wait

_MORE = 5  # answers that each NIC must have had before a step counts as survived
Count = dict[tuple[str, str], list[int]]


def count(guests: Sequence[Guest]) -> Count:
    """By guest and peer's address: the numbers of the pings that were answered."""
    return {
        (guest.name, address): numbers
        for guest in guests
        for address, numbers in guest.answered().items()
    }


def answered(counted: Count) -> int:
    return sum(len(set(numbers)) for numbers in counted.values())


def lost(counted: Count) -> dict[tuple[str, str], int]:
    """Numbers without an answer, though a later one had one."""
    gaps = {key: max(numbers) + 1 - len(set(numbers)) for key, numbers in counted.items()}
    return {key: number for key, number in gaps.items() if number}


def go_on(guests: Sequence[Guest], what: str) -> None:
    """Returns when each NIC of each guest has been answered some times more."""
    before = {key: len(numbers) for key, numbers in count(guests).items()}

    def more() -> bool:
        return all(len(now) >= before[key] + _MORE for key, now in count(guests).items())

    wait(more, f"pings of all NICs {what}")
