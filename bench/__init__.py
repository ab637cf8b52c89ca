"""The benchmark: vif-agent beside os-vif and beside the cheapest tools, in one namespace."""
