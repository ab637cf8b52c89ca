"""QoS rows: whose they are. Pure.

They are roots: OVSDB does not collect them with their port. And several ports may use one; it is
an error to delete a row that is used.
"""

from vif_agent.host.ovs.schema import Qos
from vif_agent.ownership import MARK

#: on a row of ours, beside the owner tag: the name of the port it is part of
PORT = f"{MARK}-port"


def is_ours(qos: Qos) -> bool:
    """Made by us or by os-vif, whose rows repeat their own type. Neutron's are Neutron's: those of
    a minimum bandwidth have a ``_type`` as well."""
    ids = qos.external_ids
    return MARK in ids or ids.get("_type") == qos.type
