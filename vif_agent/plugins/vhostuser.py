"""vif_type ``vhostuser``: a unix socket between qemu and a switch in user space.

A flag in ``vif_details`` says whose switch it is. ``vhostuser_ovs_plug``: Open vSwitch with DPDK,
whose port ``vhu…`` is plugged here. ``vhostuser_fp_plug``: 6WIND's fast path, whose program makes a
device of the socket, for Open vSwitch or a linux bridge. ``vhostuser_vrouter_plug``: Contrail's
vRouter with DPDK, which is told by its program. None (the bare form): whoever has bound the port
makes the socket, and this host has nothing to do.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, Self

from vif_agent.errors import InvalidRequest
from vif_agent.plugins.bridge import BridgePlugin
from vif_agent.plugins.ovs import hybrid_links
from vif_agent.plugins.ovs_port import OvsPorts
from vif_agent.plugins.taps import devname
from vif_agent.plugins.vrouter import VHOST_USER, port_control, socket_of
from vif_agent.resources import Command, Device, OvsPort, Resource
from vif_agent.vif import Vif

#: in the order in which nova asks for them: a port of 6WIND's may have Open vSwitch's flag too
_FLAGS = ("vhostuser_fp_plug", "vhostuser_ovs_plug", "vhostuser_vrouter_plug")


@dataclasses.dataclass(frozen=True, slots=True)
class VhostUserPlugin(OvsPorts):
    """``port_type`` is the option of ``[vrouter]``; ``bridges``: of networks without OVS."""

    port_type: str = "NovaVMPort"
    bridges: BridgePlugin = dataclasses.field(default_factory=BridgePlugin)

    @classmethod
    def from_conf(cls, conf: Any) -> Self:
        """See Plugin."""
        return cls(
            integration_bridge=conf.ovs.integration_bridge,
            isolate=conf.ovs.isolate,
            port_type=conf.vrouter.port_type,
            bridges=BridgePlugin.from_conf(conf),
        )

    def resources(self, vif: Vif) -> Sequence[Resource]:
        """By the first of os-vif's flags that is set in vif_details."""
        flag = next((flag for flag in _FLAGS if _is_set(vif, flag)), None)
        if flag == "vhostuser_fp_plug":
            return self._fast_path(vif)
        if flag == "vhostuser_ovs_plug":
            return (self.bridge(vif, vif.datapath_type or "netdev"), self._port(vif))
        if flag == "vhostuser_vrouter_plug":
            return (port_control(vif, self.port_type, (VHOST_USER, *socket_of(vif))),)
        return ()

    def _fast_path(self, vif: Vif) -> Sequence[Resource]:
        """6WIND's os-vif plugin. Its device gets no owner tag of ours: it is made by
        ``fp-vdev``."""
        name, fp_connects = devname(vif), vif.vhostuser_mode == "server"
        socket = ("--sockpath", _socket(vif), "--sockmode", "client" if fp_connects else "server")
        made = Command(
            plug=("fp-vdev", "add", name, *socket),
            unplug=("fp-vdev", "del", name),
            about=name,
            makes=True,
        )
        device = Device(name=name, mtu=vif.mtu, up=True, by_sender=True)
        if not _is_set(vif, "vhostuser_ovs_plug"):
            bridge, *segment = self.bridges.network(vif)
            return (bridge, *segment, made, dataclasses.replace(device, master=bridge.name))
        switch = self.bridge(vif, vif.datapath_type)
        if not vif.hybrid:
            return (switch, made, device, self._switched(vif, name))
        qbr, *pair = hybrid_links(vif)
        device = dataclasses.replace(device, master=qbr.name)
        return (switch, qbr, *pair, made, device, self._switched(vif, pair[-1].name))

    def _switched(self, vif: Vif, name: str) -> OvsPort:
        return dataclasses.replace(self.port(vif, name), mtu_request=vif.mtu)

    def _port(self, vif: Vif) -> OvsPort:
        """The one end makes the socket, the other connects: ``vhostuser_mode`` is qemu's part.

        ``error_is_final``: os-vif's plug succeeds too when Open vSwitch refuses such a port, as it
        does without DPDK; one of them must not keep nova-compute from starting.
        """
        port = dataclasses.replace(
            self.port(vif, "vhu" + vif.short_id), mtu_request=vif.mtu, error_is_final=True
        )
        if vif.vhostuser_mode == "client":
            return dataclasses.replace(port, interface_type="dpdkvhostuser")
        path = (("vhost-server-path", _socket(vif)),)
        return dataclasses.replace(port, interface_type="dpdkvhostuserclient", options=path)


def _is_set(vif: Vif, flag: str) -> bool:
    value = vif.details.get(flag)
    if value is not None and not isinstance(value, bool):
        raise InvalidRequest(f"vif.details.{flag}", value, "true or false")
    return bool(value)


def _socket(vif: Vif) -> str:
    if vif.vhostuser_socket is None:
        raise InvalidRequest("vif.details.vhostuser_socket", None, "the path of qemu's socket")
    return vif.vhostuser_socket
