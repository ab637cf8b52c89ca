"""Plugins, under the name that the room had: see ``vif_agent.plugin_host``."""
