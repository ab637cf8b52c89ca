"""VFs on the real host, as far as a kernel without such a card goes: asked, told, refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.real_host import ip, links
from tests.support.sysfs import CARD, Sysfs
from vif_agent.host import vfs
from vif_agent.host.pci import Pci
from vif_agent.ownership import Found
from vif_agent.plan.diff import diff
from vif_agent.plan.steps import Actual, Plan, Want
from vif_agent.resources import Vf

pytestmark = pytest.mark.usefixtures("in_process", "namespace")

ADDRESS, OTHER = "0000:03:10.1", "0000:03:10.3"


@pytest.fixture
def pci(namespace: None, tmp_path: Path) -> Pci:
    """The card is a real device that has no VFs, whatever the tree says."""
    ip("link", "add", "eth2", "type", "veth", "peer", "name", "wire")
    sysfs = Sysfs(tmp_path / "sys")
    sysfs.function(CARD)
    sysfs.link("eth2", CARD)
    sysfs.vf(ADDRESS, 0)
    return Pci(sysfs.root)


def _plan(wanted: Vf, actual: Vf, index: int) -> Plan:
    there = Actual({actual.key: Found(actual, index=index)})
    return diff({wanted.key: Want(wanted, ("port",))}, {}, there)


def test_vf_that_the_kernel_does_not_show(pci: Pci) -> None:
    assert vfs.read([ADDRESS, OTHER], pci) == {}


def test_change_that_the_card_refuses(pci: Pci) -> None:
    plan = _plan(
        Vf(name=ADDRESS, mac="fa:16:3e:00:00:01", trust=True),
        Vf(name=ADDRESS, mac="00:00:00:00:00:00", trust=False),
        int(links()["eth2"]["ifindex"]),
    )
    (problem,) = vfs.change(plan.create, pci).values()
    assert problem.code == "host_refused"
    assert problem.message == f"{ADDRESS}: mac: Operation not supported [ENOTSUP]"


def test_change_of_a_card_that_has_gone(pci: Pci) -> None:
    index = int(links()["eth2"]["ifindex"])
    ip("link", "del", "eth2")
    wanted = Vf(name=ADDRESS, vlan=5)
    (problem,) = vfs.change(_plan(wanted, Vf(name=ADDRESS, vlan=0), index).create, pci).values()
    assert (problem.code, problem.transient) == ("not_yet", True)


def test_change_of_a_vf_that_has_gone_is_left_to_the_next_reconcile(pci: Pci) -> None:
    wanted = Vf(name=OTHER, vlan=5)
    assert vfs.change(_plan(wanted, Vf(name=OTHER, vlan=0), 1).create, pci) == {}
