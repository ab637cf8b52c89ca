"""What the tests of the real host share: the host on a scratch Open vSwitch, an engine driven to
rest, and views of kernel and OVSDB that share no code with the agent."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vif_agent.errors import Problem
from vif_agent.firewall.base import FirewallDriver
from vif_agent.firewall.guarded import Guarded
from vif_agent.firewall.noop import NoopDriver
from vif_agent.host.real import RealHost
from vif_agent.network_types.base import TypeDriver
from vif_agent.network_types.flat import FlatDriver
from vif_agent.network_types.loader import NetworkTypes
from vif_agent.network_types.physical import Physical
from vif_agent.network_types.vlan import VlanDriver
from vif_agent.plan.diff import diff, keys_to_read
from vif_agent.plan.merge import merge
from vif_agent.plan.steps import Actual, Plan, Want
from vif_agent.plugin_host.registry import PluginRegistry
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
from vif_agent.ports.store import Store
from vif_agent.resources import Command, Key, Resource
from vif_agent.testing import plugging, processes
from vif_agent.testing.ovs import PrivateOvs
from vif_agent.testing.plugging import KEPT as KEPT
from vif_agent.testing.plugging import TUN as TUN
from vif_agent.testing.plugging import new_vif as new_vif
from vif_agent.testing.plugging import real_host as real_host
from vif_agent.testing.plugging import rows as rows
from vif_agent.testing.plugging import running as running
from vif_agent.testing.plugging import sweep as sweep
from vif_agent.testing.plugging import tables as tables
from vif_agent.testing.watch import WriteWatch

PORT = "5843eca1-e1fe-5bb2-a9c2-8f97bae40c4e"
NOOP = NoopDriver()
OTHER = "11111111-2222-4333-8444-555555555555"

Vif = dict[str, Any]


def ip(*args: str) -> str:
    return processes.run(("ip", *args), {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})


def bridge_fdb(*args: str) -> str:
    return processes.run(("bridge", "fdb", *args), {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})


def links() -> dict[str, dict[str, Any]]:
    """Every link as `ip` shows it, with its addresses."""
    output = json.loads(ip("-j", "-d", "addr", "show"))
    return {link["ifname"]: link for link in output}


def sysctl(family: str, device: str, name: str) -> int:
    return int(_sysctl_path(family, device, name).read_text())


def set_sysctl(family: str, device: str, name: str, value: int) -> None:
    _sysctl_path(family, device, name).write_text(str(value))


def _sysctl_path(family: str, device: str, name: str) -> Path:
    return Path("/proc/sys/net", family, "conf", device, name)


def row(ovs: PrivateOvs, table: str, name: str) -> dict[str, Any]:
    (found,) = [r for r in rows(ovs, table) if r["name"] == name]
    return found


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


def with_details(vif: Vif, **details: object) -> Vif:
    return {**vif, "details": {**vif["details"], **details}}


class Ports(plugging.Ports):
    """With the plugins of this tree, where no others are given."""

    def __init__(
        self,
        host: RealHost,
        store: Store,
        plugins: Mapping[str, Any] | None = None,
        ready_timeout: float = 10,
        driver: FirewallDriver = NOOP,
    ) -> None:
        wanted = Guarded(PluginRegistry(plugins or all_plugins()), driver)
        super().__init__(host, store, wanted, ready_timeout)


#: of a scratch host a cast may name any device
ANY = Physical(nameable=("*",))


def network_types(**drivers: TypeDriver) -> NetworkTypes:
    known = {"flat": FlatDriver(ANY), "vlan": VlanDriver(ANY)}
    return NetworkTypes({**NetworkTypes().drivers, **known, **drivers})


def all_plugins(**ovs_options: Any) -> dict[str, Any]:
    return {
        "ovs": OvsPlugin(**ovs_options),
        "bridge": BridgePlugin(create_tap=True, network_types=network_types()),
        "tap": TapPlugin(),
        "vhostuser": VhostUserPlugin(isolate=ovs_options.get("isolate", "auto")),
        **dict.fromkeys(("hostdev_physical", "802.1qbg", "802.1qbh", "noop"), NoopPlugin()),
        "hw_veb": HwVebPlugin(),
        "macvtap": MacvtapPlugin(ANY),
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


@contextlib.contextmanager
def nothing_written(ovs: PrivateOvs) -> Iterator[None]:
    """By what is done meanwhile, nor by the kernel, which tells of a carrier a second late."""
    with WriteWatch(ovs) as watch:
        watch.settle(quiet=1.1)
        yield
        assert watch.events() == [], watch.events()
