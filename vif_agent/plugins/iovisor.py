"""vif_type ``iovisor``: a tap that PLUMgrid's gateway on this host takes in, by ``ifc_ctl``."""

from collections.abc import Sequence

from vif_agent.errors import InvalidRequest
from vif_agent.plugins.base import Plugin
from vif_agent.plugins.taps import tap_of
from vif_agent.resources import Command, Resource
from vif_agent.vif import Vif


class IovisorPlugin(Plugin):
    """nova's ``plug_iovisor``. Two commands, undone in the opposite order."""

    def resources(self, vif: Vif) -> Sequence[Resource]:
        """A tap that ifc_ctl has taken into the network's domain."""
        if not vif.network_id:
            raise InvalidRequest("vif.network.id", vif.network_id, "the network's UUID")
        if not vif.project_id:
            raise InvalidRequest("instance.project_id", vif.project_id, "the project's id")
        tap = tap_of(vif)
        groups = (f"pgtag2={vif.network_id}", f"pgtag1={vif.project_id}")
        add = Command(
            plug=_gateway("add_port", tap.name),
            unplug=_gateway("del_port", tap.name),
            about=tap.name,
        )
        up = Command(
            plug=_gateway("ifup", tap.name, "access_vm", vif.port_id, vif.mac, *groups),
            unplug=_gateway("ifdown", tap.name),
            about=tap.name,
        )
        return (tap, add, up)


def _gateway(*arguments: str) -> tuple[str, ...]:
    return ("ifc_ctl", "gateway", *arguments)
