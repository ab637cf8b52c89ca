"""These boot a guest in QEMU: scripts/test-vm runs them, scripts/test does not."""

from __future__ import annotations

from tests.vm.test_life import DISK

if not DISK:
    collect_ignore_glob = ["test_*.py"]
