"""These boot a Debian with systemd: scripts/test-service runs them, scripts/test does not."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.service.compute import PACKAGES, Compute
from tests.service.machine import ONLINE, RELEASES, Machine, Root

if ONLINE not in os.environ:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="module", params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    """Each test runs on each."""
    return str(request.param)


@pytest.fixture(scope="session", params=RELEASES)
def compute(request: pytest.FixtureRequest) -> Iterator[Compute]:
    """One for all tests, of each release, for it takes a minute or two to make."""
    with Machine(Root(request.param, PACKAGES)) as machine:
        compute = Compute(machine)
        compute.install()
        yield compute
