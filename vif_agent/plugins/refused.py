"""The bindings that are none: ``binding_failed`` and ``unbound``."""

from collections.abc import Sequence
from typing import ClassVar

from vif_agent.errors import BindingRefused
from vif_agent.plugins.base import Plugin
from vif_agent.resources import Resource
from vif_agent.vif import Vif


class _RefusingPlugin(Plugin):
    reason: ClassVar[str]

    def resources(self, vif: Vif) -> Sequence[Resource]:
        raise BindingRefused(f"vif.type: {vif.vif_type}: {self.reason}")


class BindingFailedPlugin(_RefusingPlugin):
    """vif_type binding_failed."""

    reason = "Neutron could not bind the port to this host; see neutron-server's log"


class UnboundPlugin(_RefusingPlugin):
    """vif_type unbound."""

    reason = "the port is not bound; set its binding:host_id and let Neutron bind it"
