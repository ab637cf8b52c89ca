"""Plug and unplug on a scratch host, with the agent's engine and without a bus."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import uuid
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from vif_agent.helper.allowed import Allowed, allowing
from vif_agent.helper.process import context
from vif_agent.host.commands import Limits
from vif_agent.host.guarding import Guarding, Table
from vif_agent.host.nft import messages
from vif_agent.host.nft.netlink import NftSocket
from vif_agent.host.nft_table import NftTable
from vif_agent.host.real import RealHost
from vif_agent.plan.steps import REMOVE, Step
from vif_agent.ports.port import PLUG, UNPLUG, Port, PortRequest
from vif_agent.ports.store import Store
from vif_agent.reconcile.desired import PluginSource
from vif_agent.reconcile.engine import Engine
from vif_agent.testing.host import ScratchHost
from vif_agent.testing.ovs import PrivateOvs

TUN = "/dev/net/tun"
KEPT = {"lo", "br-int", "ovs-netdev"}
INSTANCE = {
    "uuid": "0b2a3f6e-5a7c-4c7e-9d0c-1f6f0c8d3b5a",
    "name": "instance-0000002a",
    "project_id": "7b1f6f0f3c4e4a7f9d7d3a4b5c6d7e8f",
}

Vif = dict[str, Any]


class Ports:
    """An engine with a store of its own; ``plug`` and ``unplug`` return when it is at rest."""

    def __init__(
        self, host: RealHost, store: Store, plugins: PluginSource, ready_timeout: float = 10
    ) -> None:
        self._store = store
        self._spoken = threading.Event()
        host.on_change(lambda _names: self._spoken.set())
        self.engine = Engine(store, host, plugins, ready_timeout, bridges=["br-int"])
        self.reconciles = 0

    def plug(self, *vifs: Vif) -> list[Port]:
        """The ports as they became."""
        return self._request(PLUG, vifs)

    def unplug(self, *vifs: Vif) -> list[Port]:
        """The ports as they became."""
        return self._request(UNPLUG, vifs)

    def reconcile(self, ids: set[str], everywhere: bool = False) -> dict[str, Port]:
        """Reconciles until the engine waits for nothing but a retry."""
        results: dict[str, Port] = {}
        while ids or everywhere:
            self._spoken.clear()
            outcome = self.engine.reconcile(ids, everywhere=everywhere)
            everywhere = False
            self.reconciles += 1
            self.engine.save(outcome.finished)
            results |= {port.port_id: port for port in outcome.finished}
            if outcome.waiting and not outcome.again:
                self._spoken.wait(0.1)
            ids = {*outcome.again, *outcome.waiting} - outcome.retry
        return results

    def stored(self, *vifs: Vif) -> list[Port]:
        """The ports as they are on disk."""
        return list(self._store.ports([vif["id"] for vif in vifs]).values())

    def request(self, verb: str, *vifs: Vif) -> str:
        """Stored, and not looked at yet; the first one's port."""
        requests = [
            PortRequest(port_id=v["id"], verb=verb, instance=INSTANCE, vif=v, vif_type=v["type"])
            for v in vifs
        ]
        self._store.put(requests)
        return requests[0].port_id

    def _request(self, verb: str, vifs: Sequence[Vif]) -> list[Port]:
        self.request(verb, *vifs)
        results = self.reconcile({v["id"] for v in vifs})
        return [results[v["id"]] for v in vifs]


def new_vif(vif: Vif, number: int) -> Vif:
    """The same VIF for another port: its own UUID, MAC and device name."""
    port_id = str(uuid.uuid5(uuid.NAMESPACE_DNS, f"port {number}"))
    mac = f"fa:16:3e:00:{number // 256:02x}:{number % 256:02x}"
    return {**vif, "id": port_id, "address": mac, "devname": f"tap{port_id[:11]}"}


@contextlib.contextmanager
def real_host(
    scratch: ScratchHost,
    tun: str = TUN,
    sysfs: Path = Path("/sys"),
    limits: Limits | None = None,
    cards: Sequence[str] = ("*",),
    table: Table | None = None,
) -> Iterator[RealHost]:
    """The scratch host as the engine sees it; afterwards it is as it was. ``table``: of guards, the
    kernel's if it is not given."""
    guarding = Guarding(table or NftTable(()))
    host = RealHost(scratch.ovs.connection, 10, sysfs, limits, cards, guarding=guarding)
    with allowing(Allowed(tun_device=tun)), running(host, scratch):
        yield host


@contextlib.contextmanager
def running(host: RealHost, scratch: ScratchHost) -> Iterator[None]:
    """With its helper in this process; afterwards the scratch host is as it was."""
    client_mode = context.client_mode
    context.set_client_mode(False)
    host.start()
    try:
        yield
    finally:
        host.stop()
        unguard(host)
        context.set_client_mode(client_mode)
        sweep(scratch)


def unguard(host: RealHost) -> None:
    """Remove all guards, as of ports without their devices."""
    there = host.guards.read()
    host.guards.write([Step(REMOVE, f.resource, str(f.owner), found=f) for f in there.values()])


def sweep(scratch: ScratchHost, kept: Collection[str] = ()) -> None:
    """Remove all guards, ports, bridges, QoS rows and links but those of the scratch host itself.

    ``kept``: names of others to leave, OVS ports' with their QoS rows.
    """
    ports = set(scratch.ovs.vsctl("list-ports", "br-int").split()) - {*kept}
    bridges = set(scratch.ovs.vsctl("list-br").split()) - {*KEPT, *kept}
    commands = [word for name in ports for word in ("--", "del-port", name)]
    commands += [word for name in bridges for word in ("--", "del-br", name)]
    if commands:
        scratch.ovs.vsctl(*commands[1:])
    used = [port["qos"] for port in rows(scratch.ovs, "port")]
    for qos in rows(scratch.ovs, "qos"):
        if qos["_uuid"] not in used:
            scratch.ovs.vsctl("--no-wait", "destroy", "qos", qos["_uuid"])
    doomed = "".join(f"link del {name}\n" for name in scratch.links().keys() - {*KEPT, *kept})
    subprocess.run(
        ["ip", "-force", "-batch", "-"],
        input=doomed.encode(),
        stderr=subprocess.DEVNULL,
        check=False,
    )
    with contextlib.suppress(OSError), NftSocket() as netlink:
        netlink.do([messages.delete_table()])


def rows(ovs: PrivateOvs, table: str) -> list[dict[str, Any]]:
    """All rows of one table, as dicts by column."""
    return tables(ovs, table)[0]


def tables(ovs: PrivateOvs, *names: str) -> list[list[dict[str, Any]]]:
    """Tables as `ovs-vsctl` shows them at one moment, sets and maps as Python has them."""
    commands = [word for name in names for word in ("--", "list", name)]
    answers = [json.loads(line) for line in ovs.vsctl("--format=json", *commands).splitlines()]
    return [
        [dict(zip(table["headings"], map(_plain, row), strict=True)) for row in table["data"]]
        for table in answers
    ]


def _plain(value: Any) -> Any:
    match value:
        case ["map", pairs]:
            return dict(pairs)
        case ["set", items]:
            return [_plain(item) for item in items]
        case ["uuid", text]:
            return text
    return value
