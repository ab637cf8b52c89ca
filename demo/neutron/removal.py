"""All is taken away by Neutron's API, and nothing stays on the hosts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from demo import show
from demo.neutron.stage import PATIENCE, Stage
from demo.show import Checks
from vif_agent.testing.neutron.cloud import wait


def story(there: Stage, before: Mapping[str, set[str]], checks: Checks) -> None:
    """``before``: the links of each host."""
    show.heading("All removed")
    _remove(there)
    wait(lambda: not there.services.namespaces(), "namespaces without routers and DHCP", PATIENCE)
    for name, host in there.hosts.items():
        wait(partial(_is_empty, there, name, before[name]), f"nothing left on {name}", PATIENCE)
        show.output(f"ip -br link  # {name}", host.ip("-br", "link"))
    print()
    for name, host in there.hosts.items():
        checks.that(f"{name} has the links of the beginning", set(host.links()) ^ before[name])
    checks.that("Neutron has no port", [port["id"] for port in there.api.list("port")])


def _is_empty(there: Stage, name: str, before: set[str]) -> bool:
    links = set(there.hosts[name].links())
    return not there.cloud.agents.list_vifs({}, name) and links == before


def _remove(there: Stage) -> None:
    for address in there.api.list("floatingip"):
        there.api.delete("floatingip", address["id"])
    for router in there.api.list("router"):
        path = f"/routers/{router['id']}/remove_router_interface"
        for port in there.api.list("port", device_id=router["id"]):
            if port["device_owner"] == "network:router_interface":
                there.api.request("PUT", path, {"port_id": port["id"]})
        there.api.delete("router", router["id"])
    for port in there.api.list("port"):
        if port["device_owner"].startswith("compute:"):
            there.api.delete("port", port["id"])
    for network in there.api.list("network"):
        there.api.delete("network", network["id"])
