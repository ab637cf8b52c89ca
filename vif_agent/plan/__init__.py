"""What the ports want, merged and compared with the host: the plan. Pure."""
