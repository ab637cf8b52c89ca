"""Type drivers, under the name that they had: see ``vif_agent.network_types``."""
