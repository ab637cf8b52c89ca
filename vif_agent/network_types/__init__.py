"""What ties a linux bridge to its network: a type driver for each of Neutron's network types."""
