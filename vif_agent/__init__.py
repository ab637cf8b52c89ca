"""vif-agent: plugs virtual network interfaces on a hypervisor, by vif_type."""

__version__ = "0.1.0"
