"""What runs inside of Neutron's own processes. Knows the bus, and nothing of the host."""
