"""vif_type ``vhostuser``: a unix socket between qemu and a switch in user space.

A flag in ``vif_details`` says whose switch it is. ``vhostuser_ovs_plug``: Open vSwitch with DPDK,
whose port ``vhu…`` is plugged here. None (the bare form): whoever has bound the port makes the
socket, and this host has nothing to do. ``vhostuser_fp_plug`` (6WIND) and
``vhostuser_vrouter_plug`` (Contrail) are plugged by their vendors' commands.
"""

import dataclasses
from collections.abc import Sequence

from vif_agent.errors import InvalidRequest, NoPlugin
from vif_agent.plugins.ovs_port import OvsPorts
from vif_agent.resources import OvsPort, Resource
from vif_agent.vif import Vif

#: in the order in which nova asks for them: a port of 6WIND's may have Open vSwitch's flag too
_FLAGS = ("vhostuser_fp_plug", "vhostuser_ovs_plug", "vhostuser_vrouter_plug")


class VhostUserPlugin(OvsPorts):
    def resources(self, vif: Vif) -> Sequence[Resource]:
        flag = next((flag for flag in _FLAGS if _is_set(vif, flag)), None)
        if flag is None:
            return ()
        if flag == "vhostuser_ovs_plug":
            return (self.bridge(vif, vif.datapath_type or "netdev"), self._port(vif))
        raise NoPlugin(f"vif.details.{flag}: no plugin for this form of vif_type vhostuser")

    def _port(self, vif: Vif) -> OvsPort:
        """The one end makes the socket, the other connects: ``vhostuser_mode`` is qemu's part.

        ``refusable``: os-vif's plug succeeds too when Open vSwitch refuses such a port, as it does
        without DPDK; one of them must not keep nova-compute from starting.
        """
        port = dataclasses.replace(
            self.port(vif, "vhu" + vif.short_id), mtu_request=vif.mtu, refusable=True
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
