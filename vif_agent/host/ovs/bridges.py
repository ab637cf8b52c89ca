"""An OVS bridge's row becomes a resource. Pure."""

from vif_agent.host.ovs.schema import Bridge
from vif_agent.ownership import MARK, Found
from vif_agent.resources import OvsBridge

UNATTENDED = (
    "no frame passes: it is secure, and neither Neutron's agent nor OVN has come to give it flows"
)
_OVN_MARKS = ("ovn-", "ct-zone-")


def bridge_found(row: Bridge) -> Found:
    """Without what is in it."""
    resource = OvsBridge(name=row.name, datapath_type=row.datapath_type or "system")
    owner = row.external_ids.get(MARK)
    return Found(resource, owner=owner, error=_unattended(row) if owner else "")


def _unattended(bridge: Bridge) -> str:
    """Why a bridge that we have made lets no frame through; "" if its owner has come.

    Neutron's agent gives it a controller, OVN keeps marks of its own there (ovn-controller 23.03).
    """
    marks = (key for key in bridge.external_ids if key.startswith(_OVN_MARKS))
    if bridge.fail_mode != "secure" or bridge.controller or next(marks, None):
        return ""
    return UNATTENDED
