"""From the POST of a port to ACTIVE, by our driver and agent and by ML2/OVS with its own."""
