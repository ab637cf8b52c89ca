"""The vif_types that need a vendor's command: a VIF in, resources out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.answered import answered
from tests.support.examples import INSTANCE
from tests.support.vendors import RUNS
from vif_agent.errors import NoPlugin
from vif_agent.plugins.base import Plugin
from vif_agent.plugins.iovisor import IovisorPlugin
from vif_agent.plugins.ivs import IvsPlugin
from vif_agent.plugins.midonet import MidonetPlugin
from vif_agent.plugins.mlnx import IbHostdevPlugin, MlnxDirectPlugin
from vif_agent.plugins.vrouter import VrouterPlugin
from vif_agent.resources import Bridge, Command, Resource, Tap, Veth

Payload = Callable[[str], dict[str, Any]]

PORT, TAP = "c45f0df2-15bc-5d76-9881-dc3231784f69", "tapc45f0df2-15"
SHORT = "0c00fd71-ce"
HYBRID = (
    Bridge(
        name="qbr" + SHORT, mtu=1450, forward_delay=0, ageing=0, stp=False, mcast_snooping=False,
        disable_ipv6=True, arp_ignore=1, arp_announce=2,
    ),
    Veth(
        name="qvb" + SHORT, peer="qvo" + SHORT, master="qbr" + SHORT, mtu=1450, promisc=True,
        disable_ipv6=True,
    ),
    Veth(
        name="qvo" + SHORT, peer="qvb" + SHORT, master="", mtu=1450, promisc=True,
        disable_ipv6=True,
    ),
)  # fmt: skip
UUID = INSTANCE["uuid"]


def _tap(name: str, multi_queue: bool = False) -> Tap:
    return Tap(name=name, mtu=1450, multi_queue=multi_queue, disable_ipv6=True)


def _command(plug: str, unplug: str, about: str = "") -> Command:
    return Command(plug=tuple(plug.split()), unplug=tuple(unplug.split()), about=about)


@pytest.mark.parametrize(
    ("plugin", "name", "fields", "expected"),
    [
        (MidonetPlugin(), "midonet", {},
         (_tap(TAP), _command(f"mm-ctl --bind-port {PORT} {TAP}", f"mm-ctl --unbind-port {PORT}",
                              TAP))),
        (MidonetPlugin(), "midonet", {"devname": "tapx"},
         (_tap("tapx"), _command(f"mm-ctl --bind-port {PORT} tapx", f"mm-ctl --unbind-port {PORT}",
                                 "tapx"))),
        (IovisorPlugin(), "iovisor", {"network_id": "net", "project_id": "project"},
         (_tap("tap94f5dbc6-84"),
          _command("ifc_ctl gateway add_port tap94f5dbc6-84",
                   "ifc_ctl gateway del_port tap94f5dbc6-84", "tap94f5dbc6-84"),
          _command("ifc_ctl gateway ifup tap94f5dbc6-84 access_vm"
                   " 94f5dbc6-8402-592a-a963-bdf7707593ec fa:16:3e:5a:00:21 pgtag2=net"
                   " pgtag1=project",
                   "ifc_ctl gateway ifdown tap94f5dbc6-84", "tap94f5dbc6-84"))),
        (IvsPlugin(), "ivs", {},
         (_tap("tap76ba2c11-15"), _command("ivs-ctl add-port tap76ba2c11-15",
                                           "ivs-ctl del-port tap76ba2c11-15", "tap76ba2c11-15"))),
        (IvsPlugin(), "ivs_hybrid", {},
         (*HYBRID, _command(f"ivs-ctl add-port qvo{SHORT}", f"ivs-ctl del-port qvo{SHORT}",
                            f"qvo{SHORT}"))),
        (IbHostdevPlugin(), "ib_hostdev", {},
         (_command(f"ebrctl add-port fa:16:3e:5a:00:25 {UUID} ibfabric1 ib_hostdev 0000:03:10.3",
                   "ebrctl del-port ibfabric1 fa:16:3e:5a:00:25"),)),
        (MlnxDirectPlugin(), "mlnx_direct", {},
         (_command(f"ebrctl add-port fa:16:3e:5a:00:26 {UUID} fabric1 mlnx_direct eth487ce496-90",
                   "ebrctl del-port fabric1 fa:16:3e:5a:00:26"),)),
    ],
)  # fmt: skip
def test_vif_gives_these_resources(
    payload: Payload,
    plugin: Plugin,
    name: str,
    fields: dict[str, Any],
    expected: tuple[Resource, ...],
) -> None:
    assert answered(plugin, payload(name), **fields) == expected


@pytest.mark.parametrize(
    ("settings", "fields", "arguments"),
    [
        ({}, {}, {"ip_address": "192.0.2.17", "ipv6_address": "2001:db8:1::17"}),
        ({}, {"ips": ()}, {"ip_address": "0.0.0.0", "ipv6_address": "None"}),
        ({}, {"ips": ("2001:db8::1", "2001:db8::2", "192.0.2.9")},
         {"ip_address": "192.0.2.9", "ipv6_address": "2001:db8::1"}),
        ({}, {"instance_name": "a name"}, {"vm_name": "a name", "port_type": "NovaVMPort"}),
        ({"port_type": "NameSpacePort"}, {}, {"port_type": "NameSpacePort"}),
        ({}, {"devname": "tapx"}, {"tap_name": "tapx"}),
    ],
)  # fmt: skip
def test_vrouter_is_told_of_the_port(
    payload: Payload, settings: dict[str, Any], fields: dict[str, Any], arguments: dict[str, str]
) -> None:
    (command,) = answered(VrouterPlugin(**settings), payload("vrouter"), **fields)
    assert isinstance(command, Command)
    text = dict(word[2:].split("=", 1) for word in command.plug[1:])
    assert arguments.items() <= text.items()


@pytest.mark.parametrize("multi_queue", [False, True])
def test_vrouter_with_a_tap_of_ours(payload: Payload, multi_queue: bool) -> None:
    """The command is about the tap: it is run anew for a tap made anew."""
    vif, name = payload("vrouter"), "tap7d3d3930-f8"
    (alone,) = answered(VrouterPlugin(), vif)
    tap, command = answered(VrouterPlugin(create_tap=True), vif, multi_queue=multi_queue)
    assert isinstance(alone, Command)
    assert (tap, command) == (_tap(name, multi_queue), dataclasses.replace(alone, about=name))


def _vectors(name: str) -> Command:
    return _command(RUNS[name].plug[0], RUNS[name].unplug[0])


@pytest.mark.parametrize(
    ("name", "create_tap"),
    [
        ("vrouter", False),
        ("vrouter_direct", False),
        ("vrouter_direct", True),
        ("vrouter_virtio_forwarder", True),
    ],
)
def test_vrouter_is_told_as_by_contrails_own_plugin(
    payload: Payload, name: str, create_tap: bool
) -> None:
    """Of a VF or a socket there is no tap to make."""
    (plug,), (unplug,) = RUNS[name]
    answer = answered(VrouterPlugin(create_tap=create_tap), payload(name))
    assert answer == (_command(plug, unplug),)


def test_vrouter_socket_that_qemu_connects_to(payload: Payload) -> None:
    vif = payload("vrouter_virtio_forwarder")
    (command,) = answered(VrouterPlugin(), vif, vhostuser_mode="client")
    assert isinstance(command, Command)
    assert "--vhostuser_mode=0" in command.plug
    assert "--vhostuser_mode=0" in command.unplug


def test_vrouter_port_of_another_kind_is_refused(payload: Payload) -> None:
    with pytest.raises(NoPlugin, match="no plugin for macvtap ports"):
        answered(VrouterPlugin(), payload("vrouter"), vnic_type="macvtap")
