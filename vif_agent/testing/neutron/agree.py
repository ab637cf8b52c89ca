"""Whether Neutron, the agents and the kernels say the same of every port."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import oslo_messaging

from vif_agent.bus.api import NoAnswer
from vif_agent.testing.neutron.api import Json, Refused
from vif_agent.testing.neutron.hypervisor import Hypervisor, tap_of
from vif_agent.testing.neutron.wires import PHYSICAL

if TYPE_CHECKING:
    from vif_agent.testing.neutron.cloud import Cloud

#: Neutron's word for the agent's state of a port; for all others it is DOWN
_STATUS = {"ready": "ACTIVE", "error": "ERROR"}
_BOUND = "SELECT port_id, host FROM ml2_port_bindings WHERE vif_type = 'tap'"
_TOO_EARLY = (OSError, Refused, RuntimeError, NoAnswer, oslo_messaging.MessagingException)


def agree(cloud: Cloud, *hosts: Hypervisor, timeout: float = 60) -> None:
    """Returns when they do; AssertionError with what differs still when time is over.

    Neutron by its API (and, for the bindings that are not active, its database), the agent by its
    store as it tells it by the bus, the kernel by ip(8)."""
    deadline, found = time.monotonic() + timeout, ["nothing was asked"]
    while found and time.monotonic() < deadline:
        try:
            found = [line for host in hosts for line in differences(cloud, host)]
        except _TOO_EARLY as error:
            found = [repr(error)]
        time.sleep(0.2 if found else 0)
    if found:
        raise AssertionError(f"after {timeout} s:\n" + "\n".join(found))


def differences(cloud: Cloud, host: Hypervisor) -> list[str]:
    """On this host; a line for each."""
    bound = {port_id for port_id, where in cloud.sql(_BOUND) if where == host.name}
    ports = {port["id"]: port for port in cloud.api.list("port")}
    wanted = {ident: ports[ident] for ident in bound if ports[ident]["admin_state_up"]}
    networks = {network["id"]: network for network in cloud.api.list("network")}
    views = {view["port_id"]: view for view in cloud.agents.list_vifs({}, host.name)}
    plugged = {ident: view for ident, view in views.items() if view["verb"] == "plug"}
    links = host.links()
    lines = [
        *_sets("the agent has", set(plugged), set(wanted)),
        *_statuses(host.name, {ident: ports[ident] for ident in bound}, plugged),
        *_taps(wanted, plugged, links),
        *_bridges([networks[port["network_id"]] for port in wanted.values()], links),
    ]
    return [f"{host.name}: {line}" for line in lines]


def _sets(what: str, found: set[str], wanted: set[str]) -> Iterator[str]:
    yield from (f"{what} {one}, Neutron has not" for one in sorted(found - wanted))
    yield from (f"Neutron has {one}, not so: {what}" for one in sorted(wanted - found))


def _statuses(host: str, ports: Mapping[str, Json], plugged: Mapping[str, Json]) -> Iterator[str]:
    """Only the active binding's host has a say in a port's status."""
    for ident, port in ports.items():
        state = plugged.get(ident, {}).get("state", "not plugged")
        should_be = _STATUS.get(state, "DOWN")
        if port["binding:host_id"] == host and port["status"] != should_be:
            yield f"{ident} is {port['status']} in Neutron, {state} at the agent"


def _taps(
    wanted: Mapping[str, Json], plugged: Mapping[str, Json], links: Mapping[str, Any]
) -> Iterator[str]:
    """A port is ready when its tap is there, in its network's bridge, which has no other tap."""
    taps = {tap_of(ident): port for ident, port in wanted.items()}
    for name, port in taps.items():
        state = plugged.get(port["id"], {}).get("state")
        master = links.get(name, {}).get("master")
        if (state == "ready") != (master == bridge_of(port["network_id"])):
            yield f"{port['id']} is {state} at the agent; its tap's master: {master}"
    for name, link in links.items():
        wired = name.startswith("tap") and link.get("master", "").startswith("brq")
        if wired and name not in taps:
            yield f"{name} is in {link['master']}, and no port of Neutron's has it"


def _bridges(networks: list[Json], links: Mapping[str, Any]) -> Iterator[str]:
    """Each network's bridge and what ties it to other hosts, and no more of these."""
    wanted = {bridge_of(network["id"]): _uplink(network) for network in networks}
    found = {name for name in links if name.startswith("brq")}
    yield from _sets("the kernel has", found, set(wanted))
    for bridge, uplink in wanted.items():
        if uplink and (master := links.get(uplink, {}).get("master")) != bridge:
            yield f"{uplink}'s master is {master}, not {bridge}"
    tunnels = {name for name in links if name.startswith("vxlan-")}
    uplinks = {uplink for uplink in wanted.values() if uplink.startswith("vxlan-")}
    yield from _sets("the kernel has", tunnels, uplinks)
    if PHYSICAL not in wanted.values() and (master := links[PHYSICAL].get("master")):
        yield f"{PHYSICAL} is still in {master}"


def bridge_of(network_id: str) -> str:
    """A network's bridge, on every host."""
    return ("brq" + network_id)[:14]


def _uplink(network: Json) -> str:
    kind, number = network["provider:network_type"], network["provider:segmentation_id"]
    names = {"vxlan": f"vxlan-{number}", "vlan": f"{PHYSICAL}.{number}", "flat": PHYSICAL}
    return names.get(kind, "")
