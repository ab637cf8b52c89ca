"""The course: two networks, a guest on each host in each, DHCP, a router, a migration, the end."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping

from demo import show
from demo.neutron import migration, removal, router
from demo.neutron.stage import GATEWAY, ONE, PATIENCE, TWO, Stage, stage
from demo.show import Checks
from vif_agent.testing import netns
from vif_agent.testing.neutron.api import Json
from vif_agent.testing.neutron.guest import Guest
from vif_agent.testing.neutron.hypervisor import tap_of

Guests = dict[str, tuple[Json, Guest]]


def tell(checks: Checks) -> None:
    started = time.monotonic()
    netns.isolate_process()
    with stage() as there, contextlib.ExitStack() as guests:
        before = {name: set(host.links()) for name, host in there.hosts.items()}
        _introduce(there, time.monotonic() - started, checks)
        networks = _networks(there)
        running = _guests(there, networks, guests, checks)
        _leases(running, checks)
        _frames(there, running, checks)
        router.story(there, networks, running["tenant-2"], checks)
        migration.story(there, running["tenant-1"][1], running["tenant-2"], guests, checks)
        guests.close()
        removal.story(there, before, checks)
    checks.that("the scratch directory is gone", there.cloud.directory.exists())
    show.note(f"{time.monotonic() - started:.0f} s in all.")


def _introduce(there: Stage, seconds: float, checks: Checks) -> None:
    show.heading("A small cloud")
    version = there.cloud.python("import importlib.metadata as m; print(m.version('neutron'))")
    show.table(
        ("", ""),
        [
            ("Neutron", f"{version.strip()}, unmodified: API by uWSGI, RPC server, periodic "
             "workers; ML2 with the mechanism driver vif_agent"),
            ("database, bus", "a private MariaDB, a private RabbitMQ"),
            ("hypervisors", f"{ONE} and {TWO}: a network namespace each, with the real agent"),
            (f"on {ONE}, too", "Neutron's own DHCP and L3 agents, with our interface driver"),
            ("physical network", f"between both, with a machine on it, {GATEWAY}"),
            ("ready", f"after {seconds:.0f} s in all"),
        ],
    )  # fmt: skip
    agents = there.api.list("agent")
    rows = [_agent_row(agent) for agent in sorted(agents, key=lambda one: one["host"])]
    show.note("")
    show.note("As `openstack network agent list` has it:")
    show.table(("AGENT TYPE", "HOST", "ALIVE", "BINARY", "TELLS"), rows)
    print()
    checks.that("all agents are alive", [one["host"] for one in agents if not one["alive"]])


def _agent_row(agent: Json) -> tuple[str, ...]:
    told = agent["configurations"]
    names = ("network_types", "interface_mappings", "tunneling_ip")
    what = ", ".join(f"{name} {_plain(told[name])}" for name in names if told.get(name))
    alive = ":-)" if agent["alive"] else "XXX"
    return agent["agent_type"], agent["host"], alive, agent["binary"], what


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{key}:{one}" for key, one in value.items())
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _networks(there: Stage) -> dict[str, Json]:
    show.heading("Two networks")
    office = there.cloud.network("flat", "203.0.113.0/24", dhcp=True, name="office",
                                 **{"router:external": True})  # fmt: skip
    tenant = there.cloud.network("vxlan", "10.1.0.0/24", dhcp=True, name="tenant")
    networks = {network["name"]: network for network in (office, tenant)}
    show.table(
        ("NAME", "TYPE", "SEGMENT", "MTU"),
        [
            (name, network["provider:network_type"], _segment(network), str(network["mtu"]))
            for name, network in networks.items()
        ],
    )
    print()
    for network in networks.values():
        server = there.own_port(network, "network:dhcp")
        show.note(f"{network['name']}: dnsmasq of Neutron's DHCP agent, behind "
                  f"{tap_of(server['id'])} on {server['binding:host_id']}")  # fmt: skip
    return networks


def _segment(network: Json) -> str:
    return str(network["provider:segmentation_id"] or network["provider:physical_network"])


def _guests(
    there: Stage, networks: Mapping[str, Json], stack: contextlib.ExitStack, checks: Checks
) -> Guests:
    """Bound first, then the guest's tap appears, as with nova."""
    show.heading("A guest on each host, in each network")
    running: Guests = {}
    rows = []
    for network in networks.values():
        for number, host in enumerate((ONE, TWO), 1):
            name = f"{network['name']}-{number}"
            began = time.monotonic()
            port = there.cloud.port(network, host, name=name)
            bound = time.monotonic()
            running[name] = port, stack.enter_context(Guest(there.hosts[host], port))
            tapped = time.monotonic()
            port = there.api.wait("port", port["id"], lambda it: it["status"] == "ACTIVE", PATIENCE)
            times = (bound - began, time.monotonic() - tapped)
            rows.append(_port_row(port, times))
    show.table(("PORT", "HOST", "VIF TYPE", "STATUS", "POST MS", "TAP TO ACTIVE MS", "TAP"), rows)
    print()
    ports = [port for port, _ in running.values()]
    checks.that("Neutron has bound all as tap, by our driver",
                [port for port in ports if port["binding:vif_type"] != "tap"])  # fmt: skip
    checks.that("each was DOWN until its tap was in its network's bridge",
                [port for port in ports if port["status"] != "DOWN"])  # fmt: skip
    for port in ports:
        there.cloud.nova.wait(port["id"], "network-vif-plugged")
    checks.that("nova was told of each: network-vif-plugged", False)
    return running


def _port_row(port: Json, times: tuple[float, float]) -> tuple[str, ...]:
    ms = (f"{seconds * 1000:.0f}" for seconds in times)
    host, kind = port["binding:host_id"], port["binding:vif_type"]
    return port["name"], host, kind, port["status"], *ms, tap_of(port["id"])


def _leases(running: Guests, checks: Checks) -> None:
    show.heading("A lease for each")
    for name, (port, guest) in running.items():
        leased, wanted = guest.lease(), port["fixed_ips"][0]["ip_address"]
        checks.that(f"{name} has its address by DHCP: {leased}", leased != wanted and wanted)


def _frames(there: Stage, running: Guests, checks: Checks) -> None:
    show.heading("Real frames")
    address = {name: port["fixed_ips"][0]["ip_address"] for name, (port, _) in running.items()}
    for network, how in (("office", "the physical network"), ("tenant", "VXLAN")):
        guest, other = running[f"{network}-1"][1], f"{network}-2"
        checks.that(f"{network}-1 reaches {other} on the other host, by {how}",
                    not guest.reaches(address[other]))  # fmt: skip
    checks.that(f"office-2 reaches {GATEWAY}, outside of the cloud",
                not running["office-2"][1].reaches(GATEWAY))  # fmt: skip
    checks.that("the outside does not reach tenant-2", there.outside.reaches(address["tenant-2"]))
