"""What all ports want, as one want for each thing on the host. Pure."""

import dataclasses
from collections.abc import Mapping, Sequence

from vif_agent.errors import Conflict, Problem
from vif_agent.plan.kinds import kind_of
from vif_agent.plan.steps import Want
from vif_agent.resources import Key, Resource


def merge(
    desired: Mapping[str, Sequence[Resource]], asked: Mapping[str, int] | None = None
) -> tuple[dict[Key, Want], dict[str, Problem]]:
    """One want per key. ``desired`` maps port to resources, the ports in the order of precedence.

    Shared resources are joined, as the last request (``asked``: when, by port) has them; any
    other resource belongs to the first port that wants it, and a later port is refused (two UUIDs
    with the same first 11 characters give the same device names).
    """
    asked = asked or {}
    joined: dict[Key, _Joined] = {}
    problems: dict[str, Problem] = {}
    for port, resources in desired.items():
        taken = [r for r in resources if (other := joined.get(r.key)) and other.clashes(r)]
        if taken:
            first = joined[taken[0].key].ports[0]
            problems[port] = Conflict(f"{taken[0].name} belongs to port {first}").problem
            continue
        for resource in resources:
            if (before := joined.get(resource.key)) is None:
                datapath = kind_of(resource).bridge_datapath(resource, resources)
                joined[resource.key] = _Joined(resource, [port], asked.get(port, 0), datapath)
            else:
                before.add(resource, port, asked.get(port, 0))
    return {key: want.done() for key, want in joined.items()}, problems


@dataclasses.dataclass(slots=True)
class _Joined:
    """A want while ports are added to it. ``last``: when the last of them asked for it."""

    resource: Resource
    ports: list[str]
    last: int
    datapath: str

    def clashes(self, resource: Resource) -> bool:
        return kind_of(resource).clashes(self.resource, resource)

    def add(self, resource: Resource, port: str, asked: int) -> None:
        if asked >= self.last and not kind_of(self.resource).first_says(self.resource):
            self.resource = resource
        self.last = max(asked, self.last)
        self.ports.append(port)

    def done(self) -> Want:
        datapath = self.datapath if len(self.ports) == 1 else ""
        return Want(self.resource, tuple(self.ports), datapath=datapath)
