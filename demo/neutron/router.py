"""A router between both networks, and a floating IP."""

from __future__ import annotations

from collections.abc import Mapping

from demo import show
from demo.neutron.stage import GATEWAY, PATIENCE, Stage
from demo.show import Checks
from vif_agent.testing.neutron.api import Json
from vif_agent.testing.neutron.cloud import wait
from vif_agent.testing.neutron.guest import Guest
from vif_agent.testing.neutron.hypervisor import tap_of


def story(
    there: Stage, networks: Mapping[str, Json], server: tuple[Json, Guest], checks: Checks
) -> None:
    """``server``: who gets the floating IP."""
    show.heading("A router, and a floating IP")
    port, guest = server
    router = _make(there, networks)
    for owner in ("network:router_interface", "network:router_gateway"):
        network = networks["tenant" if owner.endswith("interface") else "office"]
        show.note(f"{owner}: {tap_of(there.own_port(network, owner)['id'])}")
    guest.lease()  # with the route, which there was not yet
    print()
    wait(lambda: guest.reaches(GATEWAY), "the outside, from a tenant's guest", PATIENCE)
    checks.that(f"tenant-2 reaches {GATEWAY}, by the router's SNAT", not guest.reaches(GATEWAY))
    floating = there.api.create(
        "floatingip",
        floating_network_id=router["external_gateway_info"]["network_id"],
        port_id=port["id"],
    )["floating_ip_address"]
    wait(lambda: there.outside.reaches(floating), "the guest by its floating IP", PATIENCE)
    checks.that(f"the outside reaches tenant-2 by its floating IP, {floating}",
                not there.outside.reaches(floating))  # fmt: skip


def _make(there: Stage, networks: Mapping[str, Json]) -> Json:
    external = {"network_id": networks["office"]["id"]}
    router = there.api.create("router", name="gate", external_gateway_info=external)
    (subnet,) = there.api.list("subnet", network_id=networks["tenant"]["id"])
    path = f"/routers/{router['id']}/add_router_interface"
    there.api.request("PUT", path, {"subnet_id": subnet["id"]})
    return router
