"""nova-compute as the sender: what runs in its process. The agent itself imports none of it."""
