"""Neutron's ML2 mechanism driver ``vif_agent``."""

from neutron.plugins.ml2.drivers import mech_agent


class VifAgentDriver(mech_agent.SimpleAgentMechanismDriverBase):  # type: ignore[misc]
    """Binds ports to hosts whose agent reports."""
