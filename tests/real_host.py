"""What the tests of the real host share: the host on a scratch Open vSwitch, an engine driven to
rest, and views of kernel and OVSDB that share no code with the agent."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import subprocess
import threading
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.examples import INSTANCE
from vif_agent.engine import Engine
from vif_agent.errors import Problem
from vif_agent.host import RealHost, privileged
from vif_agent.host.commands import Limits
from vif_agent.installed.plugins import Plugins
from vif_agent.plan import Actual, Plan, Want, diff, keys_to_read, merge
from vif_agent.plugins.agilio_ovs import AgilioOvsPlugin
from vif_agent.plugins.bridge import BridgePlugin
from vif_agent.plugins.hw_veb import HwVebPlugin
from vif_agent.plugins.iovisor import IovisorPlugin
from vif_agent.plugins.ivs import IvsPlugin
from vif_agent.plugins.macvtap import MacvtapPlugin
from vif_agent.plugins.midonet import MidonetPlugin
from vif_agent.plugins.mlnx import IbHostdevPlugin, MlnxDirectPlugin
from vif_agent.plugins.noop import NoopPlugin
from vif_agent.plugins.ovs import OvsPlugin
from vif_agent.plugins.refused import BindingFailedPlugin, UnboundPlugin
from vif_agent.plugins.tap import TapPlugin
from vif_agent.plugins.vhostuser import VhostUserPlugin
from vif_agent.plugins.vrouter import VrouterPlugin
from vif_agent.resources import Command, Key, Resource
from vif_agent.store import PLUG, UNPLUG, Port, Store, Wish
from vif_agent.testing import processes
from vif_agent.testing.host import ScratchHost
from vif_agent.testing.ovs import PrivateOvs

TUN = "/dev/net/tun"
PORT = "5843eca1-e1fe-5bb2-a9c2-8f97bae40c4e"
OTHER = "11111111-2222-4333-8444-555555555555"
KEPT = {"lo", "br-int", "ovs-netdev"}

Vif = dict[str, Any]


@contextlib.contextmanager
def real_host(
    scratch: ScratchHost,
    tun: str = TUN,
    sysfs: Path = Path("/sys"),
    limits: Limits | None = None,
) -> Iterator[RealHost]:
    host = RealHost(scratch.ovs.connection, 10, tun, sysfs, limits)
    with running(host, scratch):
        yield host


@contextlib.contextmanager
def running(host: RealHost, scratch: ScratchHost) -> Iterator[None]:
    """With its helper in this process; afterwards the scratch host is as it was."""
    client_mode = privileged.context.client_mode
    privileged.context.set_client_mode(False)
    host.start()
    try:
        yield
    finally:
        host.stop()
        privileged.context.set_client_mode(client_mode)
        sweep(scratch)


def sweep(scratch: ScratchHost, kept: Collection[str] = ()) -> None:
    """Remove all ports, bridges, QoS rows and links but those of the scratch host itself.

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


def ip(*args: str) -> str:
    return processes.run(("ip", *args), {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})


def bridge_fdb(*args: str) -> str:
    return processes.run(("bridge", "fdb", *args), {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})


def links() -> dict[str, dict[str, Any]]:
    """Every link as `ip` shows it, with its addresses."""
    said = json.loads(ip("-j", "-d", "addr", "show"))
    return {link["ifname"]: link for link in said}


def sysctl(family: str, device: str, name: str) -> int:
    return int(_sysctl_path(family, device, name).read_text())


def set_sysctl(family: str, device: str, name: str, value: int) -> None:
    _sysctl_path(family, device, name).write_text(str(value))


def _sysctl_path(family: str, device: str, name: str) -> Path:
    return Path("/proc/sys/net", family, "conf", device, name)


def rows(ovs: PrivateOvs, table: str) -> list[dict[str, Any]]:
    return tables(ovs, table)[0]


def tables(ovs: PrivateOvs, *names: str) -> list[list[dict[str, Any]]]:
    """Tables as `ovs-vsctl` shows them at one moment, sets and maps as Python has them."""
    commands = [word for name in names for word in ("--", "list", name)]
    said = [json.loads(line) for line in ovs.vsctl("--format=json", *commands).splitlines()]
    return [
        [dict(zip(table["headings"], map(_plain, row), strict=True)) for row in table["data"]]
        for table in said
    ]


def row(ovs: PrivateOvs, table: str, name: str) -> dict[str, Any]:
    (found,) = [r for r in rows(ovs, table) if r["name"] == name]
    return found


def _plain(value: Any) -> Any:
    match value:
        case ["map", pairs]:
            return dict(pairs)
        case ["set", items]:
            return [_plain(item) for item in items]
        case ["uuid", text]:
            return text
    return value


def everything(ovs: PrivateOvs) -> tuple[object, ...]:
    """All that a plug may change, without what runs by itself (timers, carriers, ofports)."""
    columns = ("name", "type", "external_ids", "tag", "mtu_request", "qos", "ports", "options")
    tables = [rows(ovs, table) for table in ("bridge", "port", "interface", "qos")]
    return (
        {name: _lasting(link) for name, link in links().items()},
        sorted(json.dumps({k: r.get(k) for k in columns}) for t in tables for r in t),
    )


def everything_done(ovs: PrivateOvs) -> tuple[object, ...]:
    """The same when ovs-vswitchd has followed: a bridge that is removed has a device until then."""
    ovs.sync()
    return everything(ovs)


def _lasting(link: dict[str, Any]) -> dict[str, Any]:
    fields = ("ifindex", "mtu", "address", "master", "link", "ifalias", "ifname")
    kept = {field: link.get(field) for field in fields}
    return {**kept, "flags": {"UP", "PROMISC"} & set(link["flags"])}


def wants(*resources: Resource, port: str = PORT) -> dict[Key, Want]:
    return merge({port: resources})[0]


def plan_for(host: Any, *resources: Resource, port: str = PORT) -> Plan:
    """What would make the host as wanted, by a fresh look."""
    wanted = wants(*resources, port=port)
    seen = host.read(keys_to_read(wanted.values(), ()))
    asked = host.commands.ask([r for r in resources if isinstance(r, Command)])
    return diff(wanted, {}, dataclasses.replace(seen, found={**seen.found, **asked}))


def make(host: Any, *resources: Resource, port: str = PORT) -> dict[Key, Problem]:
    failures: dict[Key, Problem] = host.apply(plan_for(host, *resources, port=port))
    return failures


def removal(host: Any, *keys: Key, owner: str = PORT) -> Plan:
    return diff({}, {key: {owner} for key in keys}, host.read(keys, keys))


def read_one(host: Any, key: Key) -> Any:
    actual: Actual = host.read([key], [key])
    return actual.found[key]


def new_vif(vif: Vif, number: int) -> Vif:
    """The same VIF for another port: its own UUID, MAC and device name."""
    port_id = str(uuid.uuid5(uuid.NAMESPACE_DNS, f"port {number}"))
    mac = f"fa:16:3e:00:{number // 256:02x}:{number % 256:02x}"
    return {**vif, "id": port_id, "address": mac, "devname": f"tap{port_id[:11]}"}


def with_details(vif: Vif, **details: object) -> Vif:
    return {**vif, "details": {**vif["details"], **details}}


class Ports:
    """An engine with a store of its own; ``plug`` and ``unplug`` return when it is at rest."""

    def __init__(
        self,
        host: RealHost,
        store: Store,
        plugins: Mapping[str, Any] | None = None,
        ready_timeout: float = 10,
    ) -> None:
        self._store = store
        self._spoken = threading.Event()
        host.on_change(lambda _names: self._spoken.set())
        known = Plugins(plugins or all_plugins())
        self.engine = Engine(store, host, known, ready_timeout, bridges=["br-int"])
        self.rounds = 0

    def plug(self, *vifs: Vif) -> list[Port]:
        return self._wish(PLUG, vifs)

    def unplug(self, *vifs: Vif) -> list[Port]:
        return self._wish(UNPLUG, vifs)

    def look(self, ids: set[str], everywhere: bool = False) -> dict[str, Port]:
        """Rounds until the engine waits for nothing but a retry."""
        told: dict[str, Port] = {}
        while ids or everywhere:
            self._spoken.clear()
            outcome = self.engine.look(ids, everywhere=everywhere)
            everywhere = False
            self.rounds += 1
            self.engine.save(outcome.finished)
            told |= {port.port_id: port for port in outcome.finished}
            if outcome.waiting and not outcome.again:
                self._spoken.wait(0.1)
            ids = {*outcome.again, *outcome.waiting} - outcome.retry
        return told

    def stored(self, *vifs: Vif) -> list[Port]:
        return list(self._store.ports([vif["id"] for vif in vifs]).values())

    def wish(self, verb: str, *vifs: Vif) -> str:
        """Stored, and not looked at yet; the first one's port."""
        wishes = [
            Wish(port_id=v["id"], verb=verb, instance=INSTANCE, vif=v, vif_type=v["type"])
            for v in vifs
        ]
        self._store.put(wishes)
        return wishes[0].port_id

    def _wish(self, verb: str, vifs: Sequence[Vif]) -> list[Port]:
        self.wish(verb, *vifs)
        told = self.look({v["id"] for v in vifs})
        return [told[v["id"]] for v in vifs]


def all_plugins(**ovs_options: Any) -> dict[str, Any]:
    return {
        "ovs": OvsPlugin(**ovs_options),
        "bridge": BridgePlugin(create_tap=True),
        "tap": TapPlugin(),
        "vhostuser": VhostUserPlugin(isolate=ovs_options.get("isolate", "auto")),
        **dict.fromkeys(("hostdev_physical", "802.1qbg", "802.1qbh", "noop"), NoopPlugin()),
        "hw_veb": HwVebPlugin(),
        "macvtap": MacvtapPlugin(),
        "agilio_ovs": AgilioOvsPlugin(**ovs_options),
        "midonet": MidonetPlugin(),
        "iovisor": IovisorPlugin(),
        "ivs": IvsPlugin(),
        "vrouter": VrouterPlugin(),
        "ib_hostdev": IbHostdevPlugin(),
        "mlnx_direct": MlnxDirectPlugin(),
        "unbound": UnboundPlugin(),
        "binding_failed": BindingFailedPlugin(),
    }
