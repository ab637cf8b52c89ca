"""What Neutron's database says of a host's ports, read in bulk: three questions for any number.

Columns, not objects, for a report of a host with a hundred ports asks this. One port is read by
the same questions, so a cast and a full set say the same of it.
"""

import datetime
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from neutron.db.models import allowed_address_pair, segment
from neutron.db.models_v2 import IPAllocation, Network, Port
from neutron.db.port_security import models as port_security
from neutron.plugins.ml2.models import PortBinding, PortBindingLevel
from neutron_lib.db import api as db_api
from neutron_lib.db.standard_attr import StandardAttribute
from oslo_log import log
from oslo_serialization import jsonutils
from oslo_utils import timeutils
from sqlalchemy import orm, select

from vif_agent import wishes
from vif_agent.errors import InvalidRequest
from vif_agent.neutron.binding import DRIVER
from vif_agent.nova.neutron import from_neutron_port, instance_of

LOG = log.getLogger(__name__)

Json = dict[str, Any]

ACTIVE, INACTIVE = "ACTIVE", "INACTIVE"
UNBOUND, FAILED = "unbound", "binding_failed"

_SECURITY = port_security.PortSecurityBinding
_PAIR = allowed_address_pair.AllowedAddressPair
_SEGMENT = segment.NetworkSegment
_ACTIVATING_SECONDS = 10.0  # by whoever migrates a port: between two transactions


def wanted(context: Any, host: str, *conditions: Any) -> list[Json]:
    """``{"instance", "vif"}`` of each port that the host is to have plugged: bound by our driver,
    also while it only migrates there, and up. ``conditions``: of which alone, as ``only`` says.
    """
    with db_api.CONTEXT_READER.using(context):
        session = context.session
        rows = _ports(session, host).filter(*conditions).all()
        ips = _by_port(_of(session, host, IPAllocation, conditions))
        pairs = _by_port(_of(session, host, _PAIR, conditions))
    return [item for row in rows if (item := _item(row, ips[row.id], pairs[row.id]))]


def all_wanted(context: Any, host: str) -> tuple[list[Json], bool]:
    """What is wanted of the host, and whether that is all: a port whose binding changes is bound by
    nobody for a moment, and its guest is not to be cut off by that."""
    with db_api.CONTEXT_READER.using(context):
        return wanted(context, host), not waiting(context, host, [UNBOUND])


def only(*port_ids: str, network_id: str | None = None) -> Iterator[Any]:
    """Conditions for ``wanted``."""
    if port_ids:
        yield Port.id.in_(port_ids)
    if network_id:
        yield Port.network_id == network_id


def _ports(session: Any, host: str) -> Any:
    query = session.query(
        Port.id,
        Port.mac_address,
        Port.network_id,
        Port.device_id,
        Port.device_owner,
        PortBinding.vif_type,
        PortBinding.vif_details,
        PortBinding.vnic_type,
        PortBinding.profile,
        Network.mtu,
        _SEGMENT.network_type,
        _SEGMENT.physical_network,
        _SEGMENT.segmentation_id,
        _SECURITY.port_security_enabled,
    ).select_from(Port)
    query = _bound(query, host).join(Network, Network.id == Port.network_id)
    query = query.join(_SEGMENT, _SEGMENT.id == PortBindingLevel.segment_id)
    return query.outerjoin(_SECURITY, _SECURITY.port_id == Port.id)


def _bound(query: Any, host: str) -> Any:
    """Of a query of ports, or of what is a port's: those that are bound to the host by us."""
    query = query.join(PortBinding, PortBinding.port_id == Port.id)
    query = query.join(
        PortBindingLevel,
        (PortBindingLevel.port_id == Port.id) & (PortBindingLevel.host == PortBinding.host),
    )
    return query.filter(
        PortBinding.host == host,
        PortBinding.vif_type.notin_((UNBOUND, FAILED)),
        PortBindingLevel.driver == DRIVER,
        Port.admin_state_up.is_(True),
    )


def _of(session: Any, host: str, model: Any, conditions: Iterable[Any]) -> list[Json]:
    columns = [column for column in model.__table__.columns if column.name != "network_id"]
    names = [column.name for column in columns]
    query = session.query(*columns).select_from(Port).join(model, model.port_id == Port.id)
    rows = _bound(query, host).filter(*conditions).order_by(*columns)
    return [dict(zip(names, row, strict=True)) for row in rows]


def _by_port(items: Iterable[Json]) -> Mapping[str, list[Json]]:
    found: dict[str, list[Json]] = defaultdict(list)
    for item in items:
        found[item.pop("port_id")].append(item)
    return found


def _item(row: Any, ips: list[Json], pairs: list[Json]) -> Json | None:
    """None for what has become a port that is not ours to plug: of a trunk, say."""
    port, network = _as_of_the_api(row, ips, pairs)
    try:
        vif = from_neutron_port(port, network)
    except InvalidRequest as error:
        LOG.warning("Port %s is not plugged: %s", row.id, error)
        return None
    return {"instance": instance_of(port), "vif": wishes.signed(vif, wishes.NEUTRON)}


def _as_of_the_api(row: Any, ips: list[Json], pairs: list[Json]) -> tuple[Json, Json]:
    """Port and network. That the port is ACTIVE is said always: whether it is follows from the
    plug, and is no part of what is wished."""
    port = {
        "id": row.id,
        "mac_address": row.mac_address,
        "network_id": row.network_id,
        "device_id": row.device_id,
        "device_owner": row.device_owner,
        "fixed_ips": ips,
        "allowed_address_pairs": pairs,
        "port_security_enabled": row.port_security_enabled,
        "binding:vif_type": row.vif_type,
        "binding:vif_details": _loaded(row.vif_details),
        "binding:vnic_type": row.vnic_type,
        "binding:profile": _loaded(row.profile),
        "status": ACTIVE,
    }
    network = {
        "mtu": row.mtu,
        "provider:network_type": row.network_type,
        "provider:physical_network": row.physical_network,
        "provider:segmentation_id": row.segmentation_id,
    }
    return port, network


def _loaded(text: str) -> Any:
    return jsonutils.loads(text) if text else {}


def is_being_bound(context: Any, host: str, port_id: str) -> bool:
    """Is its binding to this host on the way?"""
    return bool(waiting(context, host, [UNBOUND], PortBinding.port_id == port_id))


def waiting(context: Any, host: str, vif_types: Collection[str], *conditions: Any) -> list[str]:
    """Ports that are for this host and are not bound, or could not be."""
    with db_api.CONTEXT_READER.using(context):
        query = context.session.query(PortBinding.port_id).filter(
            PortBinding.host == host,
            PortBinding.status == ACTIVE,
            PortBinding.vif_type.in_(vif_types),
            *conditions,
        )
        return [row.port_id for row in query]


def to_be_bound(context: Any, host: str, vif_types: Collection[str]) -> list[str]:
    """Of those that wait. What has become unbound just now and has a second binding is left to who
    migrates it: activating that takes the first away before, and fails if it is there again. What
    stays unbound was left so by two who were at it at once."""
    other = orm.aliased(PortBinding)
    second = select(other.port_id).where(
        other.port_id == PortBinding.port_id, other.status == INACTIVE
    )
    since = timeutils.utcnow() - datetime.timedelta(seconds=_ACTIVATING_SECONDS)
    just_now = select(Port.id).where(
        Port.id == PortBinding.port_id,
        Port.standard_attr_id == StandardAttribute.id,
        StandardAttribute.updated_at > since,
    )
    migrates = (PortBinding.vif_type == UNBOUND) & second.exists() & just_now.exists()
    return waiting(context, host, vif_types, ~migrates)


def not_yet_up(context: Any, host: str) -> frozenset[str]:
    """Ports that are bound to the host by us, and DOWN or being built."""
    with db_api.CONTEXT_READER.using(context):
        query = _bound(context.session.query(Port.id), host).filter(
            Port.status.in_(("DOWN", "BUILD")), PortBinding.status == ACTIVE
        )
        return frozenset(row.id for row in query)


def hosts_of_network(context: Any, network_id: str) -> list[str]:
    """Hosts with ports of the network that are bound by us."""
    with db_api.CONTEXT_READER.using(context):
        query = context.session.query(PortBindingLevel.host).distinct()
        query = query.join(Port, Port.id == PortBindingLevel.port_id)
        query = query.filter(Port.network_id == network_id, PortBindingLevel.driver == DRIVER)
        return [row.host for row in query]


def hosts_of_port(context: Any, port_id: str) -> list[str]:
    """Hosts to which it is bound by us: two, while it migrates."""
    with db_api.CONTEXT_READER.using(context):
        query = context.session.query(PortBindingLevel.host).distinct()
        query = query.filter_by(port_id=port_id, driver=DRIVER)
        return [row.host for row in query]
