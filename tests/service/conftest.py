"""These boot a Debian with systemd: scripts/test-service runs them, scripts/test does not."""

from __future__ import annotations

import os

import pytest

from tests.service.machine import ONLINE, RELEASES

if ONLINE not in os.environ:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="module", params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    """Each test runs on each."""
    return str(request.param)
