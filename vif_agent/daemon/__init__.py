"""The agent's process: threads and life cycle, systemd, what operators ask."""
