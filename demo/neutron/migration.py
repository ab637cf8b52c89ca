"""A guest moves, by Neutron's bindings API, as nova does it."""

from __future__ import annotations

import contextlib
import time

from demo import show
from demo.neutron.stage import ONE, PATIENCE, TWO, Stage
from demo.show import Checks
from vif_agent.testing.neutron.api import Json
from vif_agent.testing.neutron.cloud import wait
from vif_agent.testing.neutron.guest import Guest
from vif_agent.testing.neutron.hypervisor import tap_of


def story(
    there: Stage,
    peer: Guest,
    moving: tuple[Json, Guest],
    guests: contextlib.ExitStack,
    checks: Checks,
) -> None:
    """``peer`` talks to it all the while."""
    show.heading("A live migration")
    port, guest = moving
    address = port["fixed_ips"][0]["ip_address"]
    there.api.bind(port["id"], ONE)
    target = guests.enter_context(Guest(there.hosts[ONE], port))
    target.run("ip", "link", "set", "eth0", "down")  # the guest is there, and does not run yet
    wait(lambda: there.wired(port, ONE), "the tap on the target in its bridge", PATIENCE)
    checks.that(f"the tap on {ONE} is in its bridge while the guest runs on {TWO}",
                not peer.reaches(address))  # fmt: skip
    stopped = time.monotonic()
    guest.run("ip", "link", "set", "eth0", "down")
    target.run("ip", "link", "set", "eth0", "up")
    target.run("ip", "address", "add", f"{address}/24", "dev", "eth0")
    target.run("busybox", "arping", "-q", "-U", "-c", "1", "-I", "eth0", address)
    there.api.activate(port["id"], ONE)
    wait(lambda: peer.reaches(address), "the guest on its new host", PATIENCE)
    seconds = time.monotonic() - stopped
    show.note(f"{seconds:.2f} s from the guest's stop to its first answer on "
              f"{ONE}, with activation by Neutron's API and the demo's commands.")  # fmt: skip
    print()
    there.hosts[TWO].ip("link", "delete", tap_of(port["id"]))
    there.api.unbind(port["id"], TWO)
    shown = there.api.wait("port", port["id"], lambda it: it["status"] == "ACTIVE", PATIENCE)
    moved = shown["binding:host_id"]
    checks.that(f"Neutron shows the port ACTIVE on {ONE}", moved != ONE and moved)
    checks.that("tenant-1 reaches tenant-2, which is on its own host now",
                not peer.reaches(address))  # fmt: skip
