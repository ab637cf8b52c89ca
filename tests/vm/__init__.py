"""Guests with Debian's kernels in QEMU, for what this machine's kernel has not: scripts/test-vm."""
