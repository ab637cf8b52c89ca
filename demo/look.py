"""The demo's looks at the host, from outside the agent: with all plugged, and with nothing left."""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

from demo import host, show
from demo.bus import METRICS, Sender, View
from demo.ports import Port
from demo.show import Checks
from vif_agent.testing.host import ScratchHost
from vif_agent.topology import text

Links = Mapping[str, dict[str, Any]]


def while_plugged(
    scratch: ScratchHost,
    sender: Sender,
    machine: host.MachineLinks,
    some: Sequence[Port],
    views: dict[str, View],
    checks: Checks,
) -> None:
    show.heading("What ip and ovs-vsctl say of the host")
    _show_one_of_each(scratch, {p.payload: p for p in reversed(some)})
    picture = sender.topology()
    show.output("vif-agentctl topology", "\n".join(text.lines(picture, text.Style())))
    ready = [p for p in some if not p.refusal]
    links, ids = scratch.links(), host.iface_ids(scratch)
    devices = (
        {d for p in ready for d in views[p.id]["devices"]} - _libvirts(ready) - _sockets(ready)
    )
    wired = {_ovs_name(p): p.id for p in ready if p.vif["type"] == "ovs" and not _is_libvirts(p)}
    found = host.ovs_ports(scratch)
    print()
    show.note(f"{len(links)} links, {host.tagged(links)} of them with the agent's owner tag; "
              f"{len(found)} ports on br-int.")  # fmt: skip
    checks.that(f"all {len(devices)} devices of the ready ports exist", devices - links.keys())
    checks.that(
        f"{len(wired)} of them are ports of br-int, taken in, with the port's UUID as iface-id",
        {name for name, port in wired.items() if ids.get(name) != port or name not in found},
    )
    checks.that(f"the picture has all {len(some)} ports",
                sum(picture.states.values()) != len(some))  # fmt: skip
    _show_scrape(len(some), checks)
    checks.that("none of this is in the machine's own network namespace",
                (devices - {"br-int"}) & machine.names())  # fmt: skip


def _show_scrape(count: int, checks: Checks) -> None:
    """As Prometheus reads the agent."""
    with urllib.request.urlopen(f"http://{METRICS}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    name = "vif_agent_ports"
    found = [line for line in lines if line.startswith(f"{name}{{")]
    ready = [line for line in found if 'state="ready"' in line]
    show.output(f"curl -s http://{METRICS}/metrics | grep '^{name}.*ready'", "\n".join(ready))
    samples = sum(not line.startswith("#") for line in lines)
    checks.that(
        f"a scrape has {samples} samples, and all {count} ports among them",
        sum(float(line.rpartition(" ")[2]) for line in found) != count,
    )


def _show_one_of_each(scratch: ScratchHost, one: dict[str, Port]) -> None:
    hybrid, bridge = one["ovs_hybrid"], one["bridge"]
    master = bridge.vif["network"]["bridge"]
    for argv in (
        ("ip", "-br", "link", "show", "master", hybrid.device("qbr")),
        ("ip", "-br", "link", "show", "master", master),
        ("ip", "link", "show", hybrid.device("qvo")),
    ):
        show.output(" ".join(argv), host.run(*argv))
    columns = "--columns=name,ofport,mtu,external_ids"
    for argv in (
        (columns, "list", "interface", one["ovs_create_tap"].device("tap")),
        ("--columns=name,tag,vlan_mode,trunks", "list", "port", hybrid.device("qvo")),
    ):
        show.output("ovs-vsctl " + " ".join(argv), scratch.ovs.vsctl(*argv))


def _is_libvirts(port: Port) -> bool:
    """A direct port's tap that Neutron does not ask us to make; libvirt would, at boot."""
    details = port.vif["details"]
    return (
        port.vif["type"] == "ovs"
        and not details.get("ovs_hybrid_plug")
        and not details.get("ovs_create_tap")
    )


def _libvirts(some: Sequence[Port]) -> set[str]:
    return {p.vif["devname"] for p in some if _is_libvirts(p)}


def _sockets(some: Sequence[Port]) -> set[str]:
    """A vhost-user port is no device of the kernel's."""
    return {p.device("vhu") for p in some if p.vif["type"] == "vhostuser"}


def _ovs_name(port: Port) -> str:
    return port.device("qvo" if port.vif["details"].get("ovs_hybrid_plug") else "tap")


def after_unplug(scratch: ScratchHost, sender: Sender, before: Links, checks: Checks) -> None:
    show.heading("Nothing is left")
    show.output("ip -br link", host.run("ip", "-br", "link"))
    show.output("ovs-vsctl show", scratch.ovs.vsctl("show"))
    print()
    checks.that("the links are those of the beginning",
                scratch.links().keys() ^ before.keys())  # fmt: skip
    checks.that("br-int has no port", host.ovs_ports(scratch))
    checks.that("Open vSwitch has no QoS row", scratch.ovs.vsctl("list", "qos").strip())
    checks.that("the agent knows of no port", sender.ports())
