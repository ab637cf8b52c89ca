"""The whole suite runs in a network namespace of its own; nothing of it reaches the machine's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vif_agent.testing import netns
from vif_agent.testing.host import ScratchHost

PAYLOADS = Path(__file__).parent.parent / "examples" / "payloads"
INSTANCE = {
    "uuid": "0b2a3f6e-5a7c-4c7e-9d0c-1f6f0c8d3b5a",
    "name": "instance-0000002a",
    "project_id": "7b1f6f0f3c4e4a7f9d7d3a4b5c6d7e8f",
}


def pytest_sessionstart(session: pytest.Session) -> None:
    netns.isolate_process()


@pytest.fixture(scope="session")
def payload() -> Callable[[str], dict[str, Any]]:
    """A fresh copy of one of the shipped casts' ``vif`` arguments, by file name."""

    def load(name: str) -> dict[str, Any]:
        vif: dict[str, Any] = json.loads((PAYLOADS / f"{name}.json").read_text())
        return vif

    return load


@pytest.fixture
def namespace() -> Iterator[None]:
    """A network namespace for this test alone."""
    with netns.fresh_netns():
        yield


@pytest.fixture(scope="module")
def scratch() -> Iterator[ScratchHost]:
    """An Open vSwitch with br-int (userspace datapath), for the tests of one module."""
    with ScratchHost() as host:
        yield host


@pytest.fixture(scope="module")
def scratch_with_bus() -> Iterator[ScratchHost]:
    """The same with a private RabbitMQ."""
    with ScratchHost(rabbit=True) as host:
        yield host
