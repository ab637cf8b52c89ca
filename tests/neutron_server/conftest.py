"""These take a real Neutron, for minutes: scripts/test-neutron runs them, scripts/test does not."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from vif_agent.testing.neutron.cloud import Cloud

if "VIF_AGENT_NEUTRON" not in os.environ:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def cloud(isolated: None) -> Iterator[Cloud]:
    """Two controllers with two RPC workers each."""
    with Cloud(controllers=2) as cloud:
        yield cloud
