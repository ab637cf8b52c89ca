"""What monitoring sees of the agent: read off what the other rooms count, never asked of them."""
