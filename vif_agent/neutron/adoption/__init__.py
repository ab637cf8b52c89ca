"""Ports that Neutron's removed linux bridge driver has bound become ours, host by host, and its
again: ``vif-agent-neutron``."""
