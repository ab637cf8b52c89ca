"""The plugins that are installed: found by name, loaded, and asked where they hurt only their own
ports. Plugins themselves are in ``vif_agent.plugins`` and in other packages."""
