"""An engine on a host in memory and a real store, and what it told of each port."""

from __future__ import annotations

import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from tests.support.examples import INSTANCE
from tests.support.fake_host import FakeHost
from vif_agent.firewall.guarded import Guarded
from vif_agent.firewall.nftables import NftablesDriver
from vif_agent.network_types.flat import FlatDriver
from vif_agent.network_types.loader import NetworkTypes
from vif_agent.network_types.local import LocalDriver
from vif_agent.network_types.physical import Physical
from vif_agent.network_types.vlan import VlanDriver
from vif_agent.network_types.vxlan import VxlanDriver
from vif_agent.pci_names import NETDEV, PF_ADDRESS, REPRESENTOR, VF_NUMBER
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
from vif_agent.ports.port import PLUG, UNPLUG, Port, PortRequest
from vif_agent.ports.store import Store
from vif_agent.reconcile.desired import PluginSource
from vif_agent.reconcile.engine import Engine
from vif_agent.resources import Key, OtherLink, OvsBridge, Vf

#: stands for vif_type ovs on a host with [ovs] per_port_bridge
OWN_BRIDGE = "ovs-in-a-bridge-of-its-own"
ETH1 = Physical({"physnet1": "eth1"})
NETWORK_TYPES = NetworkTypes(
    {
        "local": LocalDriver(),
        "flat": FlatDriver(ETH1),
        "vlan": VlanDriver(ETH1),
        "vxlan": VxlanDriver(local_ip="192.0.2.1", peers=("192.0.2.2", "192.0.2.3")),
    }
)
REGISTRY = PluginRegistry(
    {
        "ovs": OvsPlugin(),
        "bridge": BridgePlugin(create_tap=True, network_types=NETWORK_TYPES),
        "tap": TapPlugin(),
        "vhostuser": VhostUserPlugin(),
        "noop": NoopPlugin(),
        OWN_BRIDGE: OvsPlugin(per_port_bridge=True),
        "hw_veb": HwVebPlugin(nic_agent=False),
        "macvtap": MacvtapPlugin(ETH1),
        "agilio_ovs": AgilioOvsPlugin(),
        "midonet": MidonetPlugin(),
        "iovisor": IovisorPlugin(),
        "ivs": IvsPlugin(),
        "vrouter": VrouterPlugin(create_tap=True),
        "ib_hostdev": IbHostdevPlugin(),
        "mlnx_direct": MlnxDirectPlugin(),
        "binding_failed": BindingFailedPlugin(),
        "unbound": UnboundPlugin(),
    }
)
#: ports on linux bridges have their guards
PLUGINS = Guarded(REGISTRY, NftablesDriver(), routed_taps=True)
PLUGGABLE = [
    "bridge", "bridge_flat", "bridge_vlan", "bridge_vxlan", "ovs", "ovs_create_tap",
    "ovs_hybrid", "tap", "vhostuser_ovs", "macvtap",
    "hw_veb_direct", "hw_veb_macvtap", "ovs_direct", "ovs_direct_netdev", "agilio_ovs_direct",
]  # fmt: skip
#: whose devices others make: an MTU is not restored
EXTERNAL = {"hw_veb_direct", "hw_veb_macvtap", "ovs_direct", "agilio_ovs_direct"}
#: each card has its VFs, as the payloads name them, and each VF its device and its representor
_VFS = ("0000:03:10.1", "0000:03:10.2", "0000:81:00.2", "0000:81:00.3", "0000:05:08.1")
#: those that a vendor's command tells somebody of
COMMANDED = [
    "midonet", "iovisor", "ivs_hybrid", "ib_hostdev", "vhostuser_fp_ovs", "vhostuser_fp_bridge",
]  # fmt: skip


class Rig:
    """A host, a store and an engine, and what the engine last told of each port."""

    def __init__(self, path: Path, plugins: PluginSource = PLUGINS) -> None:
        self.plugins = plugins
        self.host = FakeHost(
            [OtherLink(name="eth1", mtu=9000, up=True, master="", addressed="eth1")]
        )
        self.host.add_ovs(OvsBridge(name="br-int"))
        for number, address in enumerate(_VFS):
            _add_vf(self.host, address, number)
        self.clean = self.host.snapshot()
        self.store = Store(path / "store.sqlite")
        self.reported: list[Port] = []
        self.restart()

    def restart(self) -> set[str]:
        self.host.new_process()
        self.engine = Engine(self.store, self.host, self.plugins, ready_timeout=0)
        return self.engine.load()

    def request(self, verb: str, vif: dict[str, Any], received_at: float | None = None) -> str:
        port_id = str(vif["id"])
        request = PortRequest(
            port_id=port_id, verb=verb, instance=INSTANCE, vif=vif, vif_type=vif["type"],
            received_at=received_at or time.time(),
        )  # fmt: skip
        assert self.store.put([request]) == []
        return port_id

    def settle(self, *port_ids: str, everywhere: bool = False) -> frozenset[str]:
        """Look until nothing is to be done at once; the ports to be tried again later."""
        return self.settle_in_order(frozenset(port_ids), everywhere)

    def settle_in_order(self, again: Collection[str], everywhere: bool = False) -> frozenset[str]:
        retry = frozenset[str]()
        for _ in range(10):
            outcome = self.engine.reconcile(again, everywhere=everywhere)
            self.reported += outcome.finished
            assert self.engine.save(outcome.finished)
            retry |= outcome.retry
            again, everywhere = outcome.again, False
            if not again:
                return retry
        pytest.fail(f"no end of rounds for {again}")

    def plug(self, vif: dict[str, Any]) -> Port:
        self.settle(self.request(PLUG, vif))
        return self.stored(vif)

    def unplug(self, vif: dict[str, Any]) -> Port:
        self.settle(self.request(UNPLUG, vif))
        return self.stored(vif)

    def stored(self, vif: dict[str, Any]) -> Port:
        return self.store.ports([vif["id"]])[vif["id"]]

    def new_plans(self) -> int:
        count = len(self.host.plans)
        self.host.plans.clear()
        return count

    def made(self) -> set[Key]:
        return self.host.snapshot().keys() - self.clean.keys()


def _add_vf(host: FakeHost, address: str, number: int) -> None:
    """Their devices have a port's MTU and MAC already, for those are not restored."""
    host.add_vf(Vf(name=address))
    host.add_link(OtherLink(name=f"vf{number}", mac="fa:16:3e:5a:00:0a"))
    host.add_link(OtherLink(name=f"rep{number}", mtu=1450))
    named = {
        NETDEV: f"vf{number}", REPRESENTOR: f"rep{number}", PF_ADDRESS: address[:-4] + "00.0",
        VF_NUMBER: str(number),
    }  # fmt: skip
    host.pci_names |= {(what, address): name for what, name in named.items()}
