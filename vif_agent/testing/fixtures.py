"""Fixtures for tests of plugins: ``pytest_plugins = ["vif_agent.testing.fixtures"]``.

A scratch host needs root and Open vSwitch; without them its tests are skipped, with the reason.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from vif_agent.host.real import RealHost
from vif_agent.ports.store import Store
from vif_agent.testing import netns
from vif_agent.testing.host import ScratchHost
from vif_agent.testing.ovs import PrivateOvs
from vif_agent.testing.plugging import real_host

_isolated = False


def isolate() -> None:
    """This process into a network namespace of its own, for good, if it is not in one yet."""
    global _isolated
    if os.geteuid() != 0:
        pytest.skip("a scratch host takes root: it is a network namespace of its own")
    if not _isolated:
        netns.isolate_process()
        _isolated = True


@pytest.fixture(scope="session")
def isolated() -> None:
    """Nothing of the tests reaches the machine's own interfaces."""
    isolate()


@pytest.fixture
def namespace(isolated: None) -> Iterator[None]:
    """A network namespace for this test alone."""
    with netns.fresh_netns():
        yield


@pytest.fixture(scope="module")
def scratch(isolated: None) -> Iterator[ScratchHost]:
    """An Open vSwitch with br-int (userspace datapath), for the tests of one module."""
    must_have_ovs()
    with ScratchHost() as host:
        yield host


@pytest.fixture(scope="module")
def scratch_with_bus(isolated: None) -> Iterator[ScratchHost]:
    """The same with a private RabbitMQ."""
    must_have_ovs()
    if not shutil.which("rabbitmq-server"):
        pytest.skip("RabbitMQ is not installed")
    with ScratchHost(rabbit=True) as host:
        yield host


@pytest.fixture
def host(scratch: ScratchHost) -> Iterator[RealHost]:
    """The scratch host as the engine sees it, its privileged part in this process."""
    with real_host(scratch) as host:
        yield host


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store on disk."""
    store = Store(tmp_path / "ports.sqlite")
    yield store
    store.close()


@pytest.fixture
def ovs(scratch: ScratchHost) -> PrivateOvs:
    """The scratch host's Open vSwitch."""
    return scratch.ovs


def must_have_ovs() -> None:
    """Skips the test where there is none."""
    if not shutil.which("ovs-vswitchd"):
        pytest.skip("Open vSwitch is not installed (Debian: openvswitch-switch)")
