"""What a metric is: its name, what it says, and from where it is read."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from vif_agent.metrics.sources import Sources
from vif_agent.tally import Durations, Labels

PREFIX = "vif_agent_"
GAUGE, COUNTER, HISTOGRAM = "gauge", "counter", "histogram"

#: one number by labels, or a number alone; None: it is not known
Numbers: TypeAlias = Mapping[Labels, float] | float | None


@dataclasses.dataclass(frozen=True, slots=True)
class Family:
    """``read``: Durations of a histogram, else Numbers. It must take no lock that work waits for,
    and be short: a scrape reads all."""

    name: str
    kind: str
    help: str
    labels: Labels
    read: Callable[[Sources], Durations | Numbers]


def gauge(name: str, text: str, read: Callable[[Sources], Numbers], *labels: str) -> Family:
    """What goes up and down."""
    return Family(PREFIX + name, GAUGE, text, labels, read)


def counter(name: str, text: str, read: Callable[[Sources], Numbers], *labels: str) -> Family:
    """What only goes up, until a restart."""
    assert name.endswith("_total")
    return Family(PREFIX + name, COUNTER, text, labels, read)


def histogram(name: str, text: str, read: Callable[[Sources], Durations], *labels: str) -> Family:
    """How often up to each bound."""
    return Family(PREFIX + name, HISTOGRAM, text, labels, read)


def by_labels(numbers: Numbers) -> Iterable[tuple[Labels, float]]:
    """Each number with its labels."""
    if numbers is None:
        return ()
    return numbers.items() if isinstance(numbers, Mapping) else (((), numbers),)
