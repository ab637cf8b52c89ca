"""The picture of a host: what leads where, whose it is, and how it is. Pure; read by others."""
