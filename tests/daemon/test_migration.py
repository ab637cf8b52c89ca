"""Live migration: two hosts are told of one port, in any order and more than once."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.hypervisor import Hypervisor
from tests.support.real_host import Vif, new_vif
from vif_agent.ports.store import Store

Load = Callable[[str], Vif]

KINDS = ("ovs_hybrid", "ovs_create_tap", "bridge")
#: True: a plug where the guest goes; False: an unplug where it was
ORDERS = sorted(set(itertools.permutations((True, True, False, False))), reverse=True)


@pytest.fixture(scope="module")
def two_hosts() -> Iterator[tuple[Hypervisor, Hypervisor]]:
    with Hypervisor() as source, Hypervisor() as destination:
        yield source, destination


@pytest.fixture
def hosts(
    two_hosts: tuple[Hypervisor, Hypervisor], tmp_path: Path
) -> Iterator[tuple[Hypervisor, Hypervisor]]:
    """With agents that know of nothing."""
    with contextlib.ExitStack() as stack:
        for number, host in enumerate(two_hosts):
            store = Store(tmp_path / f"{number}.sqlite")
            stack.callback(store.close)
            host.start_agent(store)
        yield two_hosts


def migrate(vif: Vif, source: Hypervisor, destination: Hypervisor, order: tuple[bool, ...]) -> None:
    for plugs in order:
        if plugs:
            destination.plug(vif)
        else:
            source.unplug(vif)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "order", ORDERS, ids=["".join("PU"[not plugs] for plugs in order) for order in ORDERS]
)
def test_migration_ends_right_on_both_hosts_in_any_order(
    kind: str, order: tuple[bool, ...], hosts: tuple[Hypervisor, Hypervisor], payload: Load
) -> None:
    """There, and back again; a neighbour on each host shares what the port shares, and stays."""
    source, destination = hosts
    vif, left, right = (new_vif(payload(kind), number) for number in (1, 2, 3))
    source.plug(vif, left)
    destination.plug(right)
    migrate(vif, source, destination, order)
    assert source.differences(left) == []
    assert destination.differences(vif, right) == []
    migrate(vif, destination, source, order)
    assert source.differences(vif, left) == []
    assert destination.differences(right) == []
    source.unplug(left, vif)
    destination.unplug(right)
    assert source.differences() == destination.differences() == []


@pytest.mark.parametrize("kind", KINDS)
def test_failed_migration_leaves_the_source_as_it_was(
    kind: str, hosts: tuple[Hypervisor, Hypervisor], payload: Load
) -> None:
    """The destination alone was told; nova plugs at the source anew, which has never stopped."""
    source, destination = hosts
    vif = new_vif(payload(kind), 1)
    source.plug(vif)
    destination.plug(vif)
    destination.unplug(vif)
    source.plug(vif)
    destination.unplug(vif)
    assert source.differences(vif) == []
    assert destination.differences() == []
    source.unplug(vif)
    assert source.differences() == []
