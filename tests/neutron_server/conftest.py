"""These take a real Neutron, for minutes: scripts/test-neutron runs them, scripts/test does not."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from vif_agent.testing.frames import EXPERIMENTAL
from vif_agent.testing.neutron.agree import agree
from vif_agent.testing.neutron.api import Json
from vif_agent.testing.neutron.cloud import Cloud
from vif_agent.testing.neutron.hypervisor import Hypervisor

if "VIF_AGENT_NEUTRON" not in os.environ:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def cloud(isolated: None) -> Iterator[Cloud]:
    """Two controllers with two RPC workers each."""
    with Cloud(controllers=2) as cloud:
        yield cloud


@pytest.fixture(scope="session")
def hosts(cloud: Cloud) -> Iterator[tuple[Hypervisor, Hypervisor]]:
    """Named "one" and "two", whose agent runs on eventlet; they learn their VXLAN peers from
    Neutron."""
    options: dict[str, dict[str, object]] = {
        "neutron": {"vxlan_peers": "true"},
        "cleanup": {"interval": 5},  # until an empty full set is believed
        "firewall": {"permitted_ethertypes": hex(EXPERIMENTAL)},  # what the tests' guests send
    }
    green = options | {"vif_agent": {"concurrency": "eventlet"}}
    with cloud.hypervisor("one", options) as one, cloud.hypervisor("two", green) as two:
        cloud.wait_agents("one", "two")
        yield one, two


@pytest.fixture
def one(clean: None, hosts: tuple[Hypervisor, Hypervisor]) -> Hypervisor:
    return hosts[0]


@pytest.fixture
def two(clean: None, hosts: tuple[Hypervisor, Hypervisor]) -> Hypervisor:
    return hosts[1]


@pytest.fixture
def clean(cloud: Cloud, hosts: tuple[Hypervisor, Hypervisor]) -> Iterator[None]:
    """Afterwards Neutron has no port and no network, the hosts have nothing of any, and all agree
    on that."""
    yield
    cloud.remove_all()
    agree(cloud, *hosts)


@pytest.fixture
def has_status(cloud: Cloud) -> Callable[[Json, str], None]:
    """Wait until Neutron says so of a port."""

    def has_status(port: Json, status: str) -> None:
        cloud.api.wait("port", port["id"], lambda it: it["status"] == status)

    return has_status
