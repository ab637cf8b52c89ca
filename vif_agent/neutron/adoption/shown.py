"""What is shown of a host, as text. Pure."""

from collections.abc import Iterable, Iterator

from vif_agent.neutron.adoption.ports import Bound, Moved, Sorted, Way, count


def lines(host: str, moved: Moved, way: Way) -> Iterator[str]:
    """Each port that changes or is refused, and how many there are of each sort."""
    found = moved.found
    for port in found.changes:
        segment = port.levels[-1].segment
        yield (
            f"{host}: port {port.port_id} on {segment}: vif_type {way.from_type} -> {way.to_type}, "
            f"driver {way.from_driver} -> {way.to_driver}"
        )
    for refused in found.refused:
        yield f"{host}: port {refused.port.port_id} refused: {refused.why}"
    yield f"{host}: {_summary(found, moved.applied)}"
    if moved.hindrance:
        yield f"{host}: nothing of it can change: {moved.hindrance}"


def _summary(found: Sorted, applied: bool) -> str:
    changed = f"{len(found.changes)} {'changed' if applied else 'to change'}"
    parts = [
        changed + _by_type(found.changes),
        f"{len(found.refused)} refused",
        f"{len(found.done)} were so before" if applied else f"{len(found.done)} are so",
        f"{len(found.others)} of other drivers",
    ]
    return ", ".join(parts)


def _by_type(ports: Iterable[Bound]) -> str:
    counted = ", ".join(f"{number} {kind}" for kind, number in count(ports).items())
    return f" ({counted})" if counted else ""
