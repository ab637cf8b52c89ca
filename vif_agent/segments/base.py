"""The former place of ``vif_agent.network_types.base``: drivers elsewhere import it here."""

from vif_agent.network_types.base import GROUP, TypeDriver

__all__ = ["GROUP", "TypeDriver"]
