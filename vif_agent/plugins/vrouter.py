"""vif_type ``vrouter``: a port of Contrail's (OpenSDN's) vRouter, by ``vrouter-port-control``.

As Contrail's plugin for os-vif (tf-nova-vif-driver) does it. ``normal``: a tap. libvirt makes it,
and refuses from 9.5 on what is there already; nova made it itself, up to Rocky. ``direct``: the VF
in ``pci_slot``, and ``virtio-forwarder``: the socket of a program that speaks virtio for that VF.
Both need the program of a card's vendor: Contrail's own does not know ``--vnic_type``.
"""

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

from vif_agent.errors import InvalidRequest, NoPlugin
from vif_agent.plugins.base import Plugin
from vif_agent.plugins.hw_veb import pci_slot
from vif_agent.plugins.taps import devname, tap_of
from vif_agent.resources import Command, Resource
from vif_agent.vif import Vif

VHOST_USER = "--vif_type=VhostUser"
_OFFLOADED = ("direct", "virtio-forwarder")


@dataclasses.dataclass(frozen=True, slots=True)
class VrouterPlugin(Plugin):
    """Settings are the options of the configuration's group ``[vrouter]``."""

    port_type: str = "NovaVMPort"
    create_tap: bool = False

    @classmethod
    def from_conf(cls, conf: Any) -> "VrouterPlugin":
        """See Plugin."""
        return cls(port_type=conf.vrouter.port_type, create_tap=conf.vrouter.create_tap)

    def resources(self, vif: Vif) -> Sequence[Resource]:
        """What vrouter-port-control is told, and the tap if it is ours to make."""
        if vif.vnic_type in _OFFLOADED:
            return (_offloaded(vif, self.port_type),)
        if vif.vnic_type != "normal":
            raise NoPlugin(f"vif.vnic_type: no plugin for {vif.vnic_type} ports of vrouter")
        command = port_control(vif, self.port_type)
        if not self.create_tap:
            return (command,)
        tap = tap_of(vif, vif.multi_queue)
        return (tap, dataclasses.replace(command, about=tap.name))


def _offloaded(vif: Vif, port_type: str) -> Command:
    card = (f"--vnic_type={vif.vnic_type}", f"--pci_dev={pci_slot(vif)}")
    if vif.vnic_type == "direct":
        return port_control(vif, port_type, card, card)
    socket, tap = socket_of(vif), f"--tap_name={devname(vif)}"
    return port_control(vif, port_type, (VHOST_USER, *card, *socket), (tap, *card, *socket))


def socket_of(vif: Vif) -> Sequence[str]:
    """vrouter-port-control's arguments; InvalidRequest where the VIF has no socket."""
    return (
        f"--vhostuser_socket={_given(vif.vhostuser_socket, 'vif.details.vhostuser_socket')}",
        f"--vhostuser_mode={int(vif.vhostuser_mode == 'server')}",
    )


def port_control(
    vif: Vif, port_type: str, added: Sequence[str] = (), deleted: Sequence[str] = ()
) -> Command:
    """Tells vRouter's agent of the port. ``added``, ``deleted``: the arguments of what is no tap.

    Without an address it is ``0.0.0.0`` or ``None``: a card's vendor takes no other word. The name
    is libvirt's for the guest, for os-vif carries no other; Contrail's plugin asks nova's database.
    """
    return Command(
        plug=(
            "vrouter-port-control",
            "--oper=add",
            f"--uuid={vif.port_id}",
            f"--instance_uuid={_given(vif.instance_uuid, 'instance.uuid')}",
            f"--vn_uuid={_given(vif.network_id, 'vif.network.id')}",
            f"--vm_project_uuid={_given(vif.project_id, 'instance.project_id')}",
            f"--ip_address={_first(vif.ips, '.') or '0.0.0.0'}",
            f"--ipv6_address={_first(vif.ips, ':')}",
            f"--vm_name={_given(vif.instance_name, 'instance.name')}",
            f"--mac={vif.mac}",
            f"--tap_name={devname(vif)}",
            f"--port_type={port_type}",
            *added,
            "--tx_vlan_id=-1",
            "--rx_vlan_id=-1",
        ),
        unplug=("vrouter-port-control", "--oper=delete", f"--uuid={vif.port_id}", *deleted),
    )


def _given(value: str | None, field: str) -> str:
    """The program joins its arguments and splits them again before each ``--`` (launchpad bug
    1584625), so that what has one in it could add another."""
    if not value or re.search(r"\s-", value):
        raise InvalidRequest(field, value, "a value without ' -'")
    return value


def _first(ips: Sequence[str], separator: str) -> str | None:
    return next((ip for ip in ips if separator in ip), None)
