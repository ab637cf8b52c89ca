"""Driver ``noop``: no port is guarded; guards that were there before go."""

from typing import ClassVar

from vif_agent.firewall.base import FirewallDriver
from vif_agent.resources import Guard
from vif_agent.vif import Vif


class NoopDriver(FirewallDriver):
    """As nova's NoopFirewallDriver."""

    guards: ClassVar[bool] = False

    def guard(self, vif: Vif) -> Guard | None:
        """None."""
        return None
