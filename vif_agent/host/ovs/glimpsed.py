"""OVSDB rows become facts of a picture. Pure: works on the replica.

Of tags the replica knows nothing, lest it be told of each that Neutron's agent sets: they are asked
for when somebody wants a picture.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vif_agent.errors import OvsdbUnavailable
from vif_agent.host.ovs.bridges import bridge_found
from vif_agent.host.ovs.client import Answer
from vif_agent.host.ovs.replica import Replica
from vif_agent.host.ovs.schema import DATABASE, Interface, Port
from vif_agent.ownership import MARK
from vif_agent.topology.facts import BridgeFacts, OvsFacts

#: of the ports that have one
TAGS = [
    DATABASE,
    {
        "op": "select",
        "table": "Port",
        "where": [["tag", "!=", ["set", []]]],
        "columns": ["name", "tag"],
    },
]


def tags(answer: Answer) -> dict[str, int]:
    """By the port's name, of the answer to TAGS."""
    if answer.message is None:
        raise OvsdbUnavailable("ovsdb: the connection was lost amid a question")
    rows = answer.message.result[0]["rows"]
    return {row["name"]: row["tag"] for row in rows if isinstance(row["tag"], int)}


def bridges(replica: Replica) -> Iterator[BridgeFacts]:
    """All of them, by name."""
    for row in sorted(replica.named("Bridge"), key=lambda row: str(row.name)):
        found = bridge_found(row)
        yield BridgeFacts(
            name=row.name,
            datapath_type=row.datapath_type or "system",
            fail_mode=row.fail_mode or "",
            owner=found.owner,
            unattended=found.error,
        )


def places(replica: Replica) -> list[tuple[str, str]]:
    """Each port with its bridge: both by what the replica knows them by, a name and a UUID."""
    rows = sorted(replica.named("Bridge"), key=lambda row: str(row.name))
    return [(row.name, uuid) for row in rows for uuid in sorted(row.ports)]


def ports(
    replica: Replica, where: Sequence[tuple[str, str]], tagged: Mapping[str, int]
) -> Iterator[OvsFacts]:
    """Those of ``places`` that are still there; of a bond its interfaces."""
    for bridge, uuid in where:
        for port in replica.referred("Port", [uuid]):
            for interface in replica.referred("Interface", sorted(port.interfaces)):
                yield _port(bridge, port, interface, tagged.get(port.name))


def _port(bridge: str, port: Port, row: Interface, tag: int | None) -> OvsFacts:
    options: dict[str, Any] = row.options
    return OvsFacts(
        name=row.name,
        bridge=bridge,
        type=row.type,
        ofport=row.ofport,
        tag=tag,
        error=row.error or "",
        owner=row.external_ids.get(MARK),
        iface_id=row.external_ids.get("iface-id", ""),
        options={name: options[name] for name in ("peer", "remote_ip") if name in options},
        bond="" if len(port.interfaces) == 1 else port.name,
    )
