"""vif_type ``midonet``: a tap that MidoNet's agent on this host is told of by ``mm-ctl``."""

from collections.abc import Sequence

from vif_agent.plugins.base import Plugin
from vif_agent.plugins.taps import tap_of
from vif_agent.resources import Command, Resource
from vif_agent.vif import Vif


class MidonetPlugin(Plugin):
    """nova's ``plug_midonet``."""

    def resources(self, vif: Vif) -> Sequence[Resource]:
        """A tap that mm-ctl has bound to the port."""
        tap = tap_of(vif)
        bind = Command(
            plug=("mm-ctl", "--bind-port", vif.port_id, tap.name),
            unplug=("mm-ctl", "--unbind-port", vif.port_id),
            about=tap.name,
        )
        return (tap, bind)
