"""vif_type ``vrouter``: a port of Contrail's (OpenSDN's) vRouter, by ``vrouter-port-control``.

As Contrail's plugin for os-vif (tf-nova-vif-driver) does it: libvirt makes the tap, and refuses
from 9.5 on one that is there already. nova made it itself, up to Rocky.
"""

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

from vif_agent.errors import InvalidRequest, NoPlugin
from vif_agent.plugins.base import Plugin
from vif_agent.plugins.taps import tap_of
from vif_agent.resources import Command, Resource
from vif_agent.vif import Vif


@dataclasses.dataclass(frozen=True, slots=True)
class VrouterPlugin(Plugin):
    """Settings are the options of the configuration's group ``[vrouter]``."""

    port_type: str = "NovaVMPort"
    create_tap: bool = False

    @classmethod
    def from_conf(cls, conf: Any) -> "VrouterPlugin":
        return cls(port_type=conf.vrouter.port_type, create_tap=conf.vrouter.create_tap)

    def resources(self, vif: Vif) -> Sequence[Resource]:
        if vif.vnic_type != "normal":
            raise NoPlugin(f"vif.vnic_type: no plugin for {vif.vnic_type} ports of vrouter")
        tap = tap_of(vif, vif.multi_queue)
        told = port_control(vif, tap.name, self.port_type)
        return (tap, dataclasses.replace(told, about=tap.name)) if self.create_tap else (told,)


def port_control(vif: Vif, name: str, port_type: str, form: Sequence[str] = ()) -> Command:
    """Tells vRouter's agent of the port; ``form``: the arguments of a kind that is not a tap.

    Without an address it is ``0.0.0.0`` or ``None``: a card's vendor takes no other word.
    """
    return Command(
        plug=(
            "vrouter-port-control",
            "--oper=add",
            f"--uuid={vif.port_id}",
            f"--instance_uuid={said(vif.instance_uuid, 'instance.uuid')}",
            f"--vn_uuid={said(vif.network_id, 'vif.network.id')}",
            f"--vm_project_uuid={said(vif.project_id, 'instance.project_id')}",
            f"--ip_address={_first(vif.ips, '.') or '0.0.0.0'}",
            f"--ipv6_address={_first(vif.ips, ':')}",
            f"--vm_name={said(vif.instance_name, 'instance.name')}",
            f"--mac={vif.mac}",
            f"--tap_name={name}",
            f"--port_type={port_type}",
            *form,
            "--tx_vlan_id=-1",
            "--rx_vlan_id=-1",
        ),
        unplug=("vrouter-port-control", "--oper=delete", f"--uuid={vif.port_id}"),
    )


def said(value: str | None, field: str) -> str:
    """The program joins its arguments and splits them again before each ``--`` (launchpad bug
    1584625), so that what has one in it could add another."""
    if not value or re.search(r"\s-", value):
        raise InvalidRequest(field, value, "a value without ' -'")
    return value


def _first(ips: Sequence[str], separator: str) -> str | None:
    return next((ip for ip in ips if separator in ip), None)
