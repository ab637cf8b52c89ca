"""A NIC's addresses and routes move into its bridge, and back."""
