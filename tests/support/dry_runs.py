"""What vif-agentctl plan prints of a payload, on a host in memory, with options as in a file."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from oslo_config import cfg

from tests.support.examples import INSTANCE, PAYLOADS
from tests.support.fake_host import FakeHost
from vif_agent import config
from vif_agent.firewall.guarded import Guarded
from vif_agent.pci_names import NETDEV, REPRESENTOR
from vif_agent.plugin_host import loader as plugins
from vif_agent.ports.port import PLUG, UNPLUG, PortRequest
from vif_agent.ports.store import Store
from vif_agent.reconcile.engine import Engine
from vif_agent.resources import OtherLink, OvsBridge, Vf

#: of the payloads: to the VF's own device, and to its representor
VFS = {
    "0000:03:10.1": ("eth2v1", ""),
    "0000:03:10.2": ("eth2v2", ""),
    "0000:81:00.2": ("", "eth3_0"),
}


_MAC = "3e:a1:07:5c:21:9b"


class DryRuns:
    """``options``: what a configuration file says. It has NICs, VFs, an integration bridge."""

    def __init__(self, directory: Path, options: str = "") -> None:
        file = directory / "vif-agent.conf"
        file.write_text(options)
        conf = cfg.ConfigOpts()
        config.register(conf)
        conf([f"--config-file={file}"])
        registry = plugins.load(conf)
        wanted = Guarded(registry, registry.drivers.used, registry.drivers.routed_taps)
        self._store = Store(directory / "store.sqlite")
        self._engine = Engine(self._store, _host(), wanted, ready_timeout=0)
        self._engine.load()

    def of_plug(self, payload: str) -> str:
        return self._text(PLUG, payload)

    def of_unplug(self, payload: str) -> str:
        """When it is plugged."""
        request = _request(PLUG, payload)
        self._store.put([request])
        self._engine.reconcile([request.port_id])
        return self._text(UNPLUG, payload)

    def close(self) -> None:
        self._store.close()

    def _text(self, verb: str, payload: str) -> str:
        ports = self._store.preview([_request(verb, payload)])
        return self._engine.dry_run(ports).render()


def vif_of(payload: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((PAYLOADS / f"{payload}.json").read_text())
    return loaded


def _request(verb: str, payload: str) -> PortRequest:
    vif = vif_of(payload)
    return PortRequest(
        port_id=vif["id"], verb=verb, instance=INSTANCE, vif=vif, vif_type=vif["type"],
        received_at=time.time(),
    )  # fmt: skip


def _host() -> FakeHost:
    host = FakeHost([OtherLink(name="eth1", mtu=1500, up=True, master="", addressed="eth1")])
    host.add_ovs(OvsBridge(name="br-int"))
    for address, (netdev, representor) in VFS.items():
        host.add_vf(Vf(name=address))
        for what, name in ((NETDEV, netdev), (REPRESENTOR, representor)):
            if name:
                host.add_link(OtherLink(name=name, mac=_MAC))
                host.pci_names[what, address] = name
    return host
