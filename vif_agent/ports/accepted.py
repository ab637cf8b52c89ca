"""What requests make of the ports that are stored: which of them count, and what each port then is.

Pure: nothing is stored here, so a dry run asks the same.
"""

import dataclasses
from collections.abc import Callable, Iterable

from vif_agent.ports import full_sync
from vif_agent.ports.port import PENDING, PLUG, UNPLUG, FullSet, Port, PortRequest, Spec, counts

#: of a port that is never ready between ever new requests, the last ones count
_MOST_PREVIOUS = 16
_MOST_RECENT = 16


class Accepted:
    """``stored``: a port as it is stored; ``seq``: of the last request that is.

    ``ports``: as they are to be from now on. ``renewed``: those of them that only have a later
    generation. ``stale``: requests that do not count; ``outrun``: what is to be logged of clocks,
    ``not_theirs``: of unplugs by a sender of ports that another one has plugged since.
    """

    def __init__(self, stored: Callable[[str], Port | None], seq: int) -> None:
        self._stored = stored
        self.seq = seq
        self.ports: dict[str, Port] = {}
        self.renewed: set[str] = set()
        self.stale: list[PortRequest] = []
        self.outrun: list[str] = []
        self.not_theirs: list[str] = []

    def take(self, item: PortRequest) -> None:
        """One that is older than what is known goes to ``stale`` instead."""
        if not self._take(item):
            self.stale.append(item)

    def take_set(self, full: FullSet, stored: Iterable[Port], unreadable: Iterable[str]) -> None:
        """``stored``: all that may be plugged; ``unreadable``: plugged ones by the same source."""
        there = {port.port_id: port for port in stored} | self.ports
        for request in full.plugs:
            before = self._port(request.port_id)
            if plug := full_sync.plug_of(request, before):
                self._take(plug)
            elif before and (request.generation or 0) > before.generation:
                self._renew(before, request.generation or 0)
        unplugs = [*full_sync.unplugs_of(full, there.values())]
        if full.deletes:
            unplugs += [full_sync.unplug_of(full, i) for i in unreadable if i not in full.named]
        for request in unplugs:
            self._take(request)

    def _take(self, request: PortRequest) -> bool:
        before = self._port(request.port_id)
        if before and request.generation is not None:
            if not counts(request.generation, before.generation, request.received_at):
                return False
            self._note_outrun(request, request.generation, before)
        if before and _is_not_theirs(request, before):
            self.not_theirs.append(
                f"Port {request.port_id}: an unplug by {request.source}, which has not plugged it"
            )
            return True
        self.seq += 1
        self.renewed.discard(request.port_id)
        self.ports[request.port_id] = next_port(before, request, self.seq)
        return True

    def _port(self, port_id: str) -> Port | None:
        return self.ports.get(port_id) or self._stored(port_id)

    def _renew(self, port: Port, generation: int) -> None:
        """The request stands, and is as new as this."""
        if port.port_id not in self.ports:
            self.renewed.add(port.port_id)
        self.ports[port.port_id] = dataclasses.replace(port, generation=generation)

    def _note_outrun(self, request: PortRequest, generation: int, before: Port) -> None:
        if generation < before.generation:
            ahead = before.generation / 1e9 - request.received_at
            self.outrun.append(
                f"Port {request.port_id}: generation {before.generation} is {ahead:.0f} s ahead of "
                f"this host's clock: {generation} counts as later"
            )


def _is_not_theirs(request: PortRequest, before: Port) -> bool:
    """Who signs his requests has no say over what others have plugged: Neutron's driver also
    unplugs where it only may have bound the port."""
    plugged = before.verb == PLUG and request.verb == UNPLUG
    return plugged and bool(request.source) and request.source != before.source


def next_port(before: Port | None, request: PortRequest, seq: int) -> Port:
    """What is on the host for it outlives a new request; all else of its result does not."""
    generation = request.generation
    if generation is None:
        generation = before.generation if before else 0
    return Port(
        port_id=request.port_id,
        seq=seq,
        since=before.since if before and before.verb == PLUG else seq,
        verb=request.verb,
        generation=generation,
        spec=Spec.of(request.instance, request.vif),
        vif_type=request.vif_type or (before.vif_type if before else ""),
        request_id=request.request_id,
        received_at=request.received_at,
        state=PENDING,
        devices=before.devices if before else (),
        made=before.made if before else frozenset(),
        previous_specs=previous_specs(before, request),
        source=request.source,
        rebooted=bool(before and before.rebooted),
        recent_generations=_taken(before, request),
        parsed=request.parsed,
    )


def previous_specs(before: Port | None, request: PortRequest) -> tuple[tuple[object, object], ...]:
    """What is undone only from the plug it was done for: a new one must not make it forgotten."""
    if before is None:
        return ()
    last = (before.instance, before.vif)
    stands = request.verb == PLUG and last == (request.instance, request.vif)
    if before.verb != PLUG or stands or last in before.previous_specs:
        return before.previous_specs
    return (*before.previous_specs, last)[-_MOST_PREVIOUS:]


def _taken(before: Port | None, request: PortRequest) -> tuple[int, ...]:
    """With its own generation, for those who wait for one of the last requests."""
    known = before.recent_generations if before else ()
    return known if request.generation is None else (*known, request.generation)[-_MOST_RECENT:]
