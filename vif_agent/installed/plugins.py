"""The former place of ``vif_agent.plugin_host.registry``: tests of plugins import it from here."""

from vif_agent.plugin_host.registry import PluginRegistry as Plugins

__all__ = ["Plugins"]
