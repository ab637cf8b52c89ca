"""What each kind of resource has of its own in a plan: how it conflicts, waits and differs. Pure.

A new kind has its class in a module here, and its line in the table.
"""

import functools
from collections.abc import Mapping
from typing import Any

from vif_agent.plan.kinds.base import Case, Kind
from vif_agent.plan.kinds.commands import CommandKind
from vif_agent.plan.kinds.guards import GuardKind
from vif_agent.plan.kinds.links import BridgeKind, DeviceKind, LinkKind, NicKind, VlanKind
from vif_agent.plan.kinds.ovs import OvsBridgeKind, OvsPortKind
from vif_agent.resources import (
    Bridge,
    Command,
    Device,
    Guard,
    Link,
    Nic,
    OvsBridge,
    OvsPort,
    Resource,
    Vf,
    Vlan,
)

__all__ = ["Case", "Kind", "kind_of"]

_KINDS: Mapping[type, Kind] = {
    Link: LinkKind(),  # and all links that are not named here
    Bridge: BridgeKind(),
    Vlan: VlanKind(),
    Device: DeviceKind(),
    Nic: NicKind(),
    Vf: Kind(),
    OvsBridge: OvsBridgeKind(),
    OvsPort: OvsPortKind(),
    Command: CommandKind(),
    Guard: GuardKind(),
}


def kind_of(resource: Resource) -> Kind:
    """The rules of the nearest class that is in the table."""
    return _rules(type(resource))  # type: ignore[arg-type] # mypy: a class with __eq__


@functools.cache
def _rules(kind: Any) -> Kind:
    return next(_KINDS[nearest] for nearest in kind.__mro__ if nearest in _KINDS)
