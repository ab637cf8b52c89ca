"""A case, once with each side: how the host is after each step, and what nova raised."""

from __future__ import annotations

from dataclasses import dataclass, field

from nova_check.cases import Case
from nova_check.child import Compute
from nova_check.look import State, look
from tests.support.casting import Site

PLUGGED, AGAIN, UNPLUGGED = STEPS = ("plug", "second plug", "unplug")
QUIET = 1.1  # seconds: the kernel tells of a carrier as late as that


@dataclass
class Turn:
    """``raised`` and ``states`` by step. ``asked``: did the agent hear of the port?"""

    before: State
    states: dict[str, State] = field(default_factory=dict)
    raised: dict[str, str] = field(default_factory=dict)
    asked: bool = False


def take(site: Site, compute: Compute, case: Case) -> Turn:
    turn, known = Turn(settled(site)), site.port(case.vif)
    for step in STEPS:
        act = compute.unplug if step == UNPLUGGED else compute.plug
        turn.raised[step] = act(case)
        turn.states[step] = _look(site)
    turn.asked = site.port(case.vif) != known
    return turn


def _look(site: Site) -> State:
    """os-vif gives a bridge the VIF's datapath, `system` in most payloads. That is a kernel module
    which is not needed here: it is noted, and set back before the look."""
    datapaths = _other_datapaths(site)
    for bridge in datapaths:
        site.host.ovs.vsctl("set", "bridge", bridge, "datapath_type=netdev")
    state = settled(site)
    for bridge, datapath in datapaths.items():
        state[f"Bridge {bridge}"]["datapath_type"] = datapath
    return state


def _other_datapaths(site: Site) -> dict[str, str]:
    vsctl = site.host.ovs.vsctl
    bridges = vsctl("list-br").split()
    types = {name: vsctl("get", "bridge", name, "datapath_type").strip() for name in bridges}
    return {name: kind for name, kind in types.items() if kind != "netdev"}


def settled(site: Site) -> State:
    site.host.ovs.sync()
    with site.watch() as watch:
        watch.settle(quiet=QUIET, timeout=30)
    return look(site.host)
