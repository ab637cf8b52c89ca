"""Ports and their requests: the values, and the store that keeps them on disk."""
