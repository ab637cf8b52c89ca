"""A port that a real Neutron binds by our mechanism driver, brought up by nova's own driver.

Neutron, agent and nova are real; what Neutron tells nova is handed on by a stand-in of nova's API.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Iterator
from xml.etree import ElementTree

from demo.show import Checks, heading
from nova_check.cases import Case, Vif
from nova_check.child import Compute
from tests.support.casting import wait_for
from vif_agent.testing.daemon import HOST
from vif_agent.testing.frames import crosses
from vif_agent.testing.neutron.api import Json
from vif_agent.testing.neutron.cloud import Cloud
from vif_agent.testing.neutron.hypervisor import SEEING, Hypervisor, tap_of

TITLE = "bound by Neutron"
PATIENCE = 60.0  # seconds
PLUGGED, UNPLUGGED = "network-vif-plugged", "network-vif-unplugged"


def check() -> Checks:
    heading(TITLE)
    checks = Checks()
    with Cloud() as cloud, cloud.hypervisor(HOST) as host, _nova(cloud, host) as nova:
        wait_for(lambda: cloud.api.list("agent", host=HOST), "first report of the agent")
        place = Place(cloud, host, nova, checks)
        first, second = place.guest(), place.guest()
        with host.opened(tap_of(first["id"])) as one, host.opened(tap_of(second["id"])) as other:
            held = crosses(one, other, source_mac=first["mac_address"])
            checks.that("a frame of one guest arrives at the other", not held)
        place.gone(first)
        place.failed()
    return checks


@contextlib.contextmanager
def _nova(cloud: Cloud, host: Hypervisor) -> Iterator[Compute]:
    settings = {"url": cloud.rabbit.url, "ovsdb": host.scratch.ovs.connection}
    more = {"own_bridge": False, "take_over": "", "neutron": cloud.controllers[0].url}
    nova = Compute(cloud.directory / "nova", seeing=SEEING, **settings, **more)
    with host.entered():
        nova.start()
    try:
        yield nova
    finally:
        nova.close()


class Place:
    def __init__(self, cloud: Cloud, host: Hypervisor, nova: Compute, checks: Checks) -> None:
        self.api, self.told = cloud.api, cloud.nova
        self.host, self.nova, self.checks = host, nova, checks
        self.network = self._network("guests")

    def guest(self) -> Json:
        """A port from nothing to a guest that runs."""
        port, case = self._bound(self.network)
        self._boot(port, case)
        said = self._hand_on(port, PLUGGED)
        self.checks.that("Neutron tells nova that the VIF is plugged", said != "completed")
        self.checks.that("nova takes it, and the guest starts", self.nova.booted(PATIENCE))
        device = self.host.links()[tap_of(port["id"])]
        wrong = not device.get("master", "").startswith("brq")
        self.checks.that("the tap that nova has made is in the network's bridge", wrong)
        self._shown(port, "ACTIVE")
        self.checks.that("nova calls the VIF active", not self.nova.vif(port["id"])["active"])
        return port

    def gone(self, port: Json) -> None:
        case = _case(port["id"], self.nova.vif(port["id"]))
        self.checks.that("nova unplugs, nothing is raised", self.nova.unplug(case))
        self.checks.that("and the tap is gone", tap_of(port["id"]) in self.host.links())
        said = self._hand_on(port, UNPLUGGED)
        self.checks.that("Neutron tells nova that the VIF is unplugged", said != "completed")
        self._shown(port, "DOWN")

    def failed(self) -> None:
        """Its network's bridge cannot be made: there is another's device of that name."""
        network = self._network("in the way")
        taken = ("brq" + network["id"])[:14]
        self.host.ip("link", "add", taken, "type", "veth", "peer", "name", "other")
        port, case = self._bound(network)
        started = time.monotonic()
        self._boot(port, case)
        said = self._hand_on(port, PLUGGED)
        self.checks.that("Neutron tells nova that plugging the VIF has failed", said != "failed")
        raised = self.nova.booted(PATIENCE)
        seconds = time.monotonic() - started
        wrong = not raised.startswith("VirtualInterfaceCreateException") and (raised or "it runs")
        self.checks.that(f"nova gives up the guest after {seconds:.1f} s, not 300", wrong)
        self._shown(port, "ERROR")
        self.checks.that("nova's tap is gone", tap_of(port["id"]) in self.host.links())

    def _network(self, name: str) -> Json:
        network = self.api.create("network", name=name, port_security_enabled=False)
        subnet = {"cidr": "198.51.100.0/24", "ip_version": 4, "enable_dhcp": False}
        self.api.create("subnet", network_id=network["id"], **subnet)
        return network

    def _bound(self, network: Json) -> tuple[Json, Case]:
        port = self.api.create("port", network_id=network["id"])
        owner = _case(port["id"], {})
        self.nova.bind(port["id"], HOST, owner)
        vif = self.nova.vif(port["id"])
        self.checks.that("nova binds the port, and makes a VIF of type tap of it",
                         vif["type"] != "tap" and vif)  # fmt: skip
        return port, _case(port["id"], vif)

    def _boot(self, port: Json, case: Case) -> None:
        interface = ElementTree.fromstring(self.nova.domain(case))
        target = interface.find("target")
        found = (interface.get("type"), target.attrib if target is not None else {})
        wanted = ("ethernet", {"dev": tap_of(port["id"]), "managed": "no"})
        self.checks.that("the domain's interface is an ethernet that libvirt must not manage",
                         found != wanted and found)  # fmt: skip
        self.nova.boot(case)

    def _hand_on(self, port: Json, name: str) -> str:
        """What nova is told of this by Neutron, through nova's own checks."""
        event = wait_for(lambda: self._told_of(port, name), name, PATIENCE)[-1]
        self.nova.hear({"events": [event]}, _case(port["id"], {}))
        status: str = event.get("status", "completed")
        return status

    def _shown(self, port: Json, status: str) -> None:
        """Neutron tells nova before it commits what it tells."""
        reached = wait_for(lambda: self._status(port) == status, f"port that is {status}", PATIENCE)
        self.checks.that(f"Neutron shows the port: {status}", not reached)

    def _status(self, port: Json) -> str:
        return str(self.api.show("port", port["id"])["status"])

    def _told_of(self, port: Json, name: str) -> list[Json]:
        return [e for e in self.told.events if (e.get("tag"), e["name"]) == (port["id"], name)]


def _case(port_id: str, vif: Vif) -> Case:
    """An instance of its own for each port."""
    return Case(TITLE, vif, legacy=True, instance=str(uuid.uuid5(uuid.UUID(port_id), "instance")))
