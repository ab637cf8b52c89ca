"""QoS rows: whose they are, and what becomes of them. No I/O.

They are roots: OVSDB does not collect them with their port. And several ports may use one; it is
an error to delete a row that is used.
"""

from collections.abc import Iterable
from typing import Any

from vif_agent.ownership import MARK

Row = Any  # ovs.db.idl.Row has no types

#: on a row of ours, beside the stamp: the name of the port it is part of
PORT = f"{MARK}-port"


def is_ours(qos: Row) -> bool:
    """Made by us or by os-vif, whose rows repeat their own type. Neutron's are Neutron's: those of
    a minimum bandwidth have a ``_type`` as well."""
    ids: dict[str, str] = qos.external_ids
    return MARK in ids or ids.get("_type") == qos.type


class QosRows:
    """Those that one transaction changes. ``ports``: all rows of Port."""

    def __init__(self, ports: Iterable[Row]) -> None:
        self._ports = ports
        self._known: dict[Any, set[str]] | None = None

    def take(self, qos: Row, port: str, kind: str | None, owner: str) -> bool:
        """For this port; False if others use it: what changes for them is not ours to say."""
        if self._users(qos) - {port}:
            self.let_go(qos, port)
            return False
        qos.type = kind
        for key, value in ((MARK, owner), (PORT, port)):
            qos.setkey("external_ids", key, value)
        return True

    def let_go(self, qos: Row, port: str) -> None:
        """When no port uses it any longer it goes; else it is those ports' from now on."""
        users = self._users(qos)
        users.discard(port)
        if not users:
            qos.delete()
        else:
            for key in {MARK, PORT} & qos.external_ids.keys():
                qos.delkey("external_ids", key)

    def _users(self, qos: Row) -> set[str]:
        """One pass over all ports, when first needed."""
        if self._known is None:
            self._known = {}
            for port in self._ports:
                for used in getattr(port, "qos", ()):  # a new row has none
                    self._known.setdefault(used.uuid, set()).add(port.name)
        return self._known.setdefault(qos.uuid, set())
