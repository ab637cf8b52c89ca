"""What Neutron's database says of the ports of one host, and what is to become of each. Pure."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from vif_agent.neutron.binding import AGENT_TYPE, DRIVER, VIF_TYPE, VNIC_TYPE

#: the type of the agent that Neutron had until 25
LINUX_BRIDGE_AGENT = "Linux bridge agent"
VIF_AGENT = AGENT_TYPE


@dataclasses.dataclass(frozen=True)
class Way:
    """From one driver's binding to another's, and from one agent to another."""

    from_type: str
    from_driver: str
    to_type: str
    to_driver: str
    former_agent: str
    agent: str

    def back(self) -> "Way":
        """The other way round."""
        to, former = (self.to_type, self.to_driver), (self.from_type, self.from_driver)
        return Way(*to, *former, former_agent=self.agent, agent=self.former_agent)


ADOPT = Way("bridge", "linuxbridge", VIF_TYPE, DRIVER, LINUX_BRIDGE_AGENT, VIF_AGENT)
RETURN = ADOPT.back()


class Segment(NamedTuple):
    """Of a network; ``type`` is empty where the level has none."""

    type: str
    physical_network: str | None
    id: int | None

    def __str__(self) -> str:
        where = f" {self.physical_network}" if self.physical_network else ""
        return f"{self.type}{where}" + (f" {self.id}" if self.id is not None else "")


class Level(NamedTuple):
    """Of a binding: which driver has bound it to which segment."""

    number: int
    driver: str
    segment: Segment


@dataclasses.dataclass(frozen=True)
class Bound:
    """A port's binding to the host. ``elsewhere``: other hosts with a binding of it."""

    port_id: str
    vif_type: str
    levels: tuple[Level, ...]
    vnic_type: str = "normal"
    owner: str = ""
    device_id: str = ""
    network_id: str = ""
    status: str = ""
    active: bool = True
    elsewhere: tuple[str, ...] = ()
    distributed: bool = False
    trunk: bool = False
    qos: bool = False
    groups: bool = False

    @property
    def is_guests(self) -> bool:
        """nova's, so nova remembers how it is bound."""
        return self.owner.startswith("compute:")

    def is_of(self, vif_type: str, driver: str) -> bool:
        """Has this driver bound it, and alone?"""
        return self.vif_type == vif_type and [level.driver for level in self.levels] == [driver]


class Refused(NamedTuple):
    """A port that stays as it is."""

    port: Bound
    why: str


@dataclasses.dataclass(frozen=True)
class Sorted:
    """``changes`` are to be made, ``done`` are as they shall be, ``others`` other drivers'."""

    changes: tuple[Bound, ...] = ()
    done: tuple[Bound, ...] = ()
    others: tuple[Bound, ...] = ()
    refused: tuple[Refused, ...] = ()


class Moved(NamedTuple):
    """``hindrance``: why nothing of the host changes; empty if it may."""

    found: Sorted
    hindrance: str
    applied: bool


#: why a segment cannot be served by the host's new agent; empty if it can
Serves = Callable[[Segment], str]


def sort(ports: Iterable[Bound], way: Way, serves: Serves, ignored: frozenset[str]) -> Sorted:
    """``ignored``: what of "security-groups" and "qos" the operator lets go."""
    changes, done, others, refused = [], [], [], []
    for port in sorted(ports, key=lambda port: port.port_id):
        if port.is_of(way.to_type, way.to_driver):
            done.append(port)
        elif not port.distributed and not port.is_of(way.from_type, way.from_driver):
            others.append(port)
        elif why := "; ".join(_hindrances(port, way, serves, ignored)):
            refused.append(Refused(port, why))
        else:
            changes.append(port)
    return Sorted(tuple(changes), tuple(done), tuple(others), tuple(refused))


def _hindrances(port: Bound, way: Way, serves: Serves, ignored: frozenset[str]) -> Iterator[str]:
    if port.distributed:
        yield "is a distributed router's, which has a binding on every host"
        return
    if port.elsewhere:
        yield f"has a binding on {', '.join(port.elsewhere)} too: wait until it has migrated"
    elif not port.active:
        yield "its binding is not active: wait until it has migrated"
    if way is ADOPT:
        yield from _what_ours_lacks(port, ignored)
    yield from filter(None, (serves(level.segment) for level in port.levels))


def _what_ours_lacks(port: Bound, ignored: frozenset[str]) -> Iterator[str]:
    if port.vnic_type != VNIC_TYPE:
        yield f"binding:vnic_type is {port.vnic_type}, and only {VNIC_TYPE} is a tap in a bridge"
    if port.trunk:
        yield "is of a trunk, whose VLANs vif-agent does not tell apart"
    if port.qos and "qos" not in ignored:
        yield "has a QoS policy, which vif-agent does not enforce (--ignore qos)"
    if port.groups and "security-groups" not in ignored:
        yield (
            "has security groups, whose rules vif-agent does not enforce (to move it all the same: "
            "[ml2_vif_agent] security_groups = ignored in ml2_conf.ini)"
        )


def count(ports: Iterable[Bound]) -> dict[str, int]:
    """How many by the type of their segment."""
    counted: dict[str, int] = {}
    for port in ports:
        kind = port.levels[-1].segment.type if port.levels else port.vif_type
        counted[kind] = counted.get(kind, 0) + 1
    return dict(sorted(counted.items()))
