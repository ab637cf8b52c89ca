"""Has the kernel what the configuration and the ports that are plugged need of it?"""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from vif_agent.cmd.status.finding import Finding, failure, good, warning
from vif_agent.cmd.status.subject import Subject
from vif_agent.cmd.status.trial import GUARDS, ROUTED_GUARDS, TAP
from vif_agent.errors import VifAgentError
from vif_agent.resources import Bridge, Link, Resource, Tap, Veth, Vlan, Vxlan

_SECONDS = 60.0
_MADE: tuple[type[Link], ...] = (Bridge, Tap, Veth, Vlan, Vxlan)


class Need(NamedTuple):
    """``what``: a kind of link, TAP, or one of guards. ``must``: what is there fails without it;
    else only what may come."""

    what: str
    why: str
    must: bool


def findings(subject: Subject) -> Iterator[Finding]:
    """Tried in a network namespace of its own, which goes with what was made in it."""
    conf = subject.conf
    found = [*of_options(conf, _guards(subject)), *of_ports(subject.wanted.values())]
    tried = _tried({need.what for need in found}, conf.vif_agent.tun_device)
    if trouble := tried.pop("", ""):
        yield warning(f"the kernel cannot be looked at without root: {trouble}")
    else:
        yield from judged(found, tried)
    yield from _of_tun_device(subject, found)


def judged(needs: Iterable[Need], lacks: Mapping[str, str]) -> Iterator[Finding]:
    """``lacks``: what the kernel says of each that it has not."""
    for need in needs:
        if why := lacks.get(need.what):
            say = failure if need.must else warning
            yield say(f"{need.what}: {why}; {need.why}")
    if has := sorted({need.what for need in needs} - lacks.keys()):
        yield good(f"the kernel has {', '.join(has)}")


def of_options(conf: Any, guards: tuple[bool, bool]) -> Iterator[Need]:
    """``guards``: is there a driver that guards, and has the operator asked for one?"""
    network, mappings = conf.network, "[network] physical_interface_mappings"
    if network.physical_interface_mappings:
        yield Need("bridge", mappings, must=True)
        if "vlan" in network.type_drivers:
            yield Need("vlan", f"{mappings}: VLAN networks of these", must=False)
    if conf.bridge.wire_taps:
        yield Need("bridge", "[bridge] wire_taps", must=True)
    if network.vxlan_local_ip and "vxlan" in network.type_drivers:
        yield Need("vxlan", "[network] vxlan_local_ip", must=True)
    yield from _taps(conf)
    guarded, named = guards
    if guarded:
        routed = conf.firewall.routed_taps
        why = "[firewall] driver" if named else "without it no port is guarded: [firewall] driver"
        yield Need(ROUTED_GUARDS if routed else GUARDS, why, must=named)


def _taps(conf: Any) -> Iterator[Need]:
    asked = {
        "[bridge] create_tap": conf.bridge.create_tap,
        "[vrouter] create_tap": conf.vrouter.create_tap,
        "[ovs] create_tap = always": conf.ovs.create_tap == "always",
    }
    yield from (Need(TAP, option, must=True) for option, is_set in asked.items() if is_set)
    if conf.ovs.create_tap == "auto" or not conf.bridge.wire_taps:
        yield Need(TAP, "ports whose tap the agent makes", must=False)


def of_ports(wanted: Iterable[Iterable[Resource]]) -> Iterator[Need]:
    """What those that are plugged have."""
    count = Counter(kind for port in wanted for kind in {type(one) for one in port})
    for kind in _MADE:
        if count[kind]:
            what = TAP if kind is Tap else kind.kind
            yield Need(what, f"{count[kind]} ports that are plugged have one", must=True)


def _guards(subject: Subject) -> tuple[bool, bool]:
    try:
        drivers = subject.plugins.drivers
    except VifAgentError:  # the question about plugins says so
        return False, False
    return drivers.used.guards, drivers.named


def _of_tun_device(subject: Subject, needs: Iterable[Need]) -> Iterator[Finding]:
    """The kernel may have it where the account may not."""
    path, who = subject.conf.vif_agent.tun_device, subject.account
    taps = [need for need in needs if need.what == TAP]
    if taps and not who.may("rw", path):
        say = failure if any(need.must for need in taps) else warning
        yield say(f"[vif_agent] tun_device = {path}: {who.name} cannot open it; {taps[0].why}")


def _tried(what: Iterable[str], tun_device: str) -> dict[str, str]:
    done = subprocess.run(
        (sys.executable, "-P", "-m", "vif_agent.cmd.status.trial", tun_device, *sorted(what)),
        capture_output=True, text=True, check=True, timeout=_SECONDS,
    )  # fmt: skip
    lacks: dict[str, str] = json.loads(done.stdout)
    return lacks
