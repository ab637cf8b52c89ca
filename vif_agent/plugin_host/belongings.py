"""What a plugin of another package may ask for: what is the port's, is shared, or is lent to it by
the operator.

Else one mistaken name would take the host's own NIC off the network, or be in the way of another
plugin's ports. What programs a Command may run, ``[commands] allowed`` says.
"""

import dataclasses
from collections.abc import Sequence
from fnmatch import fnmatchcase

from vif_agent.errors import Conflict
from vif_agent.ownership import TRUNK_BRIDGE
from vif_agent.pci_names import NETDEV, REPRESENTOR, of_pci
from vif_agent.resources import COMMAND, Device, Resource
from vif_agent.vif import Vif


def checked(
    plugin: str, vif: Vif, answer: Sequence[Resource], borrow: Sequence[str]
) -> Sequence[Resource]:
    """The answer; Conflict for what is in it that the port may not have. ``borrow``: patterns."""
    for resource in answer:
        name = resource.name
        if resource.space == COMMAND or _is_own(name, vif):
            continue
        if resource.external and not any(fnmatchcase(name, pattern) for pattern in borrow):
            raise Conflict(
                f"plugin {plugin} may not borrow {name}: it is not the port's own, "
                "and [plugins] borrow does not name it"
            )
        if not resource.external and not resource.shared:
            raise Conflict(
                f"plugin {plugin} may not have {name} for one port: it is not named after "
                f"the port ({vif.short_id}), nor shared"
            )
    return [_by_sender(resource, vif) for resource in answer]


def _by_sender(resource: Resource, vif: Vif) -> Resource:
    if isinstance(resource, Device) and resource.name == vif.devname:
        return dataclasses.replace(resource, by_sender=True)
    return resource


def _is_own(name: str, vif: Vif) -> bool:
    """By its name, or by the PCI address that is given. A trunk's bridge is its parent's."""
    slot = vif.pci_slot
    names = [slot, *(of_pci(slot, what) for what in (NETDEV, REPRESENTOR))] if slot else []
    named = vif.port_id[:8] in name or name.startswith(TRUNK_BRIDGE)
    return named or name in (vif.devname, *names)
