"""The privileged process, and how it is called. It alone keeps CAP_NET_ADMIN."""
