"""What random histories are about: ports of every kind, a host that dies, and its bystanders."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections import Counter
from typing import Any

from tests.support.bystanders import Bystanders
from tests.support.examples import INSTANCE, PAYLOADS
from tests.support.real_host import Vif, ip, new_vif, sweep, with_details
from vif_agent.errors import Problem
from vif_agent.firewall.base import FirewallDriver
from vif_agent.firewall.nftables import NftablesDriver
from vif_agent.firewall.noop import NoopDriver
from vif_agent.helper import guards
from vif_agent.host.guarding import Guarding
from vif_agent.host.nft.events import NftEvents
from vif_agent.host.nft_table import NftTable, TableEvents
from vif_agent.host.real import RealHost
from vif_agent.plan.steps import Plan
from vif_agent.ports.port import PortRequest
from vif_agent.resources import Key
from vif_agent.testing import processes
from vif_agent.testing.host import ScratchHost
from vif_agent.testing.plugging import unguard

#: a port on a linux bridge, by what its sender says of its guard
BRIDGE_META: dict[str, Vif] = {
    "bridge, of one address more": {"allowed_address_pairs": [{"ip_address": "192.0.2.99"}]},
    "bridge, without a guard": {"port_security_enabled": False},
}
PAYLOADS_USED = ("bridge", "ovs", "ovs_create_tap", "ovs_hybrid", "tap", "vhostuser_ovs")
KINDS = (*PAYLOADS_USED, *BRIDGE_META)
UNLUCKY, HALF = 3, 2  # ports whose device names others have taken, all or those of a hybrid port
USED = "brq-before"  # the bridge of a network that was there before: used, and no more
LINUX_BRIDGES = ("brq-shared", "brq-shared", USED)  # of one name, and of two minds on the MTU
OVS_BRIDGES = ("br-int", "br-two", "br-int")
MTUS = (1450, 1500, 1500)

FLUSH_ALL = "flush ruleset"
TABLE_CHANGES = (FLUSH_ALL, "delete table bridge vif_agent", "flush table bridge vif_agent")

Binding = tuple[str, int]  # kind and network
PAYLOAD: dict[str, Vif] = {
    name: json.loads((PAYLOADS / f"{name}.json").read_text()) for name in PAYLOADS_USED
}
PAYLOAD |= {kind: {**PAYLOAD["bridge"], "meta": meta} for kind, meta in BRIDGE_META.items()}

USED_FACTS: dict[str, Any] = {
    "kind": "bridge", "mtu": 1300, "alias": None, "up": True, "master": None,
    "mac": "02:00:00:00:00:99", "ageing_time": 12300, "forward_delay": 200,
}  # fmt: skip


def make_vif(kind: str, number: int, network: int) -> Vif:
    vif = new_vif(PAYLOAD[kind], number)
    meta = {**vif["network"]["meta"], "mtu": MTUS[network]}
    vif = {**vif, "network": {**vif["network"], "meta": meta}}
    if vif["type"] == "bridge":
        return {**vif, "network": {**vif["network"], "bridge": LINUX_BRIDGES[network]}}
    if vif["type"] in ("ovs", "vhostuser"):
        bridge = OVS_BRIDGES[network]
        datapath = "system" if bridge == "br-int" else "netdev"  # br-int is used as it is
        return with_details(vif, bridge_name=bridge, datapath_type=datapath)
    return vif


def make_vifs(ports: dict[int, Binding]) -> dict[str, Vif]:
    vifs = [make_vif(kind, number, network) for number, (kind, network) in ports.items()]
    return {vif["id"]: vif for vif in vifs}


def make_id(number: int) -> str:
    return str(make_vif("tap", number, 0)["id"])


def is_refused(vif: Vif) -> bool:
    hybrid = bool(vif["details"].get("ovs_hybrid_plug"))
    return vif["id"] == make_id(UNLUCKY) or (vif["id"] == make_id(HALF) and hybrid)


class Crash(BaseException):
    """The agent is no more."""


class FrailHost(RealHost):
    """Dies in the middle of a plan when told so: its first steps are done, the others not."""

    die_after: float | None = None  # the part of the plan that is still done

    def apply(self, plan: Plan) -> dict[Key, Problem]:
        if self.die_after is None:
            return super().apply(plan)
        part, self.die_after = self.die_after, None
        super().apply(_beginning(plan, int(part * len(list(plan)))))
        raise Crash


def _beginning(plan: Plan, count: int) -> Plan:
    """The first steps, in the order in which the host takes them."""
    left = count - len(plan.create)
    connect = plan.connect[: max(0, left)]
    delete = plan.delete[: max(0, left - len(plan.connect))]
    return Plan(create=plan.create[:count], connect=connect, delete=delete)


class Site:
    """The scratch host with its bystanders, and what has been done there so far."""

    def __init__(self, scratch: ScratchHost, host: FrailHost) -> None:
        self.scratch, self.host, self.ovs = scratch, host, scratch.ovs
        self.bystanders = Bystanders(scratch.ovs, make_id(UNLUCKY), make_id(HALF))
        self.counts: Counter[str] = Counter()
        self.changed: set[Key] = set()
        self.driver: FirewallDriver = NoopDriver() if guards.lacks() else NftablesDriver()
        self.nft = self.driver.guards and bool(shutil.which("nft"))
        host.on_change(lambda keys: self.changed.update(keys or ()))

    def undo_guards(self, how: str) -> None:
        """Whoever asks for a table that is not there is told so. Others' go, too, and come back."""
        with contextlib.suppress(RuntimeError):
            processes.run(("nft", *how.split()), os.environ)
        if how == FLUSH_ALL:
            self.bystanders.tables.come()

    def clean(self) -> None:
        self.host.die_after = None
        if self.bystanders.damaged:
            self.bystanders.go()
            sweep(self.scratch)
            self.bystanders.come()
        sweep(self.scratch, self.bystanders.names)
        unguard(self.host)
        ip("link", "add", USED, "type", "bridge", "ageing_time", "12300", "forward_delay", "200")
        ip("link", "set", USED, "address", USED_FACTS["mac"], "mtu", "1300", "up")


def guarding() -> Guarding:
    """Others' changes are heard; by the agent in this process they are its own."""
    return Guarding(NftTable(()), events=None if guards.lacks() else TableEvents(NftEvents()))


def a_request(verb: str, vif: Vif) -> PortRequest:
    return PortRequest(
        port_id=vif["id"], verb=verb, instance=INSTANCE, vif=vif, vif_type=vif["type"]
    )
