"""The host: read it, and apply a plan to it."""
