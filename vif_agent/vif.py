"""A VIF as the plugins see it, and the only place that reads the bus's dicts.

The field names are those of nova's ``nova.network.model.VIF``.
"""

import dataclasses
import ipaddress
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TypedDict, cast

from vif_agent.names import DEVICE_NAME as DEVICE_NAME
from vif_agent.names import means_something
from vif_agent.vif_fields import MAC as MAC
from vif_agent.vif_fields import Fields
from vif_agent.vif_fields import canonical as canonical
from vif_agent.vif_fields import check_json as check_json
from vif_agent.vif_fields import freeze as freeze

_EMPTY: Mapping[str, object] = MappingProxyType({})
MTU = (68, 65521)  # IPv4's least (RFC 791) to what a tap takes (65535 and no Ethernet header)
_SOCKET = 107  # bytes: sun_path of unix(7), without its final NUL
_SEGMENT = (0, (1 << 32) - 1)  # of all of Neutron's types GRE has the longest
_VLAN = (0, 4094)  # 0 is "untagged" in nova's details.vlan
_PAIRS = "allowed_address_pairs"
_RATE = (0, (1 << 32) - 1)  # of a VF in Mbit/s (struct ifla_vf_rate)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Vif:
    """One virtual interface, checked and immutable.

    ``details`` and ``profile`` are Neutron's ``binding:vif_details`` and ``binding:profile``,
    deeply frozen, for what only one plugin knows; what several need has a typed field.
    ``vhostuser_mode`` is qemu's part: the server makes the socket, the client connects to it. What
    stands from ``port_security`` on (None: not given) is the port's own in Neutron, and is read
    from the VIF's ``meta`` by Neutron's names; nova does not say it. The rates are in Mbit/s.
    ``ips``: its fixed addresses, in the order of the subnets. ``address_pairs``: what a guest may
    use besides, (MAC, network) as ("fa:16:3e:00:00:01", "10.0.0.9/32"). ``device_owner`` is told
    of ports of Neutron's own ("network:dhcp"), of no guest's.
    """

    port_id: str
    vif_type: str
    mac: str
    vnic_type: str = "normal"
    devname: str | None = None
    instance_uuid: str | None = None
    instance_name: str | None = None
    project_id: str | None = None
    network_id: str | None = None
    bridge: str | None = None
    mtu: int | None = None
    vlan: int | None = None
    bridge_interface: str | None = None
    physical_network: str | None = None
    network_type: str | None = None
    segmentation_id: int | None = None
    should_create_bridge: bool = True
    should_create_vlan: bool = False
    datapath_type: str | None = None
    hybrid: bool = False
    create_tap: bool = False
    multi_queue: bool = False
    tap_mac: str | None = None
    bound_drivers: tuple[str, ...] = ()
    vhostuser_mode: str = "server"
    vhostuser_socket: str | None = None
    pci_slot: str | None = None
    trusted: bool = False
    port_security: bool | None = None
    address_pairs: tuple[tuple[str, str], ...] | None = None
    device_owner: str | None = None
    admin_up: bool | None = None
    follows_uplink: bool | None = None
    min_tx_rate: int | None = None
    max_tx_rate: int | None = None
    ips: tuple[str, ...] = ()
    details: Mapping[str, object] = dataclasses.field(default_factory=lambda: _EMPTY)
    profile: Mapping[str, object] = dataclasses.field(default_factory=lambda: _EMPTY)

    @property
    def short_id(self) -> str:
        """What nova puts behind a three-letter prefix in device names (14 characters in all)."""
        return self.port_id[:11]

    @property
    def tap_name(self) -> str:
        """What its tap is called: the sender's name for it, else the one that nova would give."""
        return self.devname or "tap" + self.short_id


def parse(instance: object, vif: object) -> Vif:
    """Check a ``plug_vif`` cast's arguments; InvalidRequest names the first bad field."""
    node, owner = Fields("vif", vif), Fields("instance", instance)
    network, details = node.child("network"), node.child("details")
    meta, profile = network.child("meta"), node.child("profile")
    return Vif(
        port_id=port_id_of(vif),
        vif_type=node.need(node.word("type"), "type", "a vif_type"),
        mac=node.need(node.mac("address"), "address", "a MAC address"),
        vnic_type=node.word("vnic_type") or "normal",
        devname=_devname(node),
        instance_uuid=owner.uuid("uuid"),
        instance_name=owner.text("name"),
        project_id=owner.text("project_id"),
        network_id=network.uuid("id"),
        bridge=_bridge(network, details),
        mtu=meta.number("mtu", *MTU),
        vlan=_vlan(meta, details),
        bridge_interface=meta.device("bridge_interface"),
        physical_network=meta.text("physical_network") or details.text("physical_network"),
        network_type=meta.word("network_type"),
        segmentation_id=meta.number("segmentation_id", *_SEGMENT),
        should_create_bridge=meta.flag("should_create_bridge", True),
        should_create_vlan=meta.flag("should_create_vlan", False),
        datapath_type=details.one_of("datapath_type", ("system", "netdev")),
        hybrid=details.flag("ovs_hybrid_plug", False),
        create_tap=details.flag("ovs_create_tap", False),
        multi_queue=details.flag("multiqueue", False),
        tap_mac=details.mac("mac_address"),
        bound_drivers=_drivers(details),
        vhostuser_mode=details.one_of("vhostuser_mode", ("client", "server")) or "server",
        vhostuser_socket=_socket(details),
        ips=tuple(_ips(network)),
        address_pairs=_pairs(node),
        device_owner=node.child("meta").text("device_owner"),
        details=cast("Mapping[str, object]", freeze(details.value, details.path)),
        profile=cast("Mapping[str, object]", freeze(profile.value, profile.path)),
        **_of_a_card(profile, node.child("meta")),
    )


class _OfACard(TypedDict):
    """What is given for a VF."""

    pci_slot: str | None
    trusted: bool
    port_security: bool | None
    admin_up: bool | None
    follows_uplink: bool | None
    min_tx_rate: int | None
    max_tx_rate: int | None


def _of_a_card(profile: Fields, meta: Fields) -> _OfACard:
    """``meta`` is the port's own."""
    return {
        "pci_slot": profile.pci("pci_slot"),
        "trusted": profile.flag("trusted", False),
        "port_security": meta.switch("port_security_enabled"),
        "admin_up": meta.switch("admin_state_up"),
        "follows_uplink": meta.switch("propagate_uplink_status"),
        "min_tx_rate": meta.number("min_tx_rate", *_RATE),
        "max_tx_rate": meta.number("max_tx_rate", *_RATE),
    }


def port_id_of(vif: object) -> str:
    """The port of a cast: all that an ``unplug_vif`` must name. Lower-case canonical UUID."""
    node = Fields("vif", vif)
    return node.need(node.uuid("id"), "id", "the port's UUID")


def _devname(node: Fields) -> str | None:
    name = node.device("devname")
    if name and means_something(name):
        raise node.wrong("devname", "a name of the port's own, such as tap and part of its id")
    return name


def _bridge(network: Fields, details: Fields) -> str | None:
    """Neutron's binding says it best; both must be good."""
    own, networks = details.device("bridge_name"), network.device("bridge")
    return own or networks


def _vlan(meta: Fields, details: Fields) -> int | None:
    own, networks = details.number("vlan", *_VLAN), meta.number("vlan", *_VLAN)
    return networks if own is None else own


def _drivers(details: Fields) -> tuple[str, ...]:
    """``bound_drivers`` is {level: mechanism driver}; lowest level last (Neutron 08bdc4ded1)."""
    node = details.child("bound_drivers")
    return tuple(node.need(node.word(k), k, "a driver's name") for k in sorted(node.value))


def _socket(details: Fields) -> str | None:
    """A path that fits a sockaddr_un."""
    path = details.text("vhostuser_socket")
    if path is not None and not (path.startswith("/") and len(path.encode()) <= _SOCKET):
        raise details.wrong("vhostuser_socket", f"an absolute path of at most {_SOCKET} bytes")
    return path


def _ips(network: Fields) -> Iterator[str]:
    for subnet in network.children("subnets"):
        for ip in subnet.children("ips"):
            yield ip.need(ip.address("address"), "address", "an IP address")


def _pairs(node: Fields) -> tuple[tuple[str, str], ...] | None:
    """Neutron's ``allowed_address_pairs``; one without a MAC is of the port's own."""
    port = node.child("meta")
    if port.value.get(_PAIRS) is None:
        return None
    own = node.need(node.mac("address"), "address", "a MAC address")
    return tuple(
        (pair.mac("mac_address") or own, _network(pair, "ip_address"))
        for pair in port.children(_PAIRS)
    )


def _network(node: Fields, key: str) -> str:
    """An address is a network of one. Python would take one that holds for a device alone."""
    text = node.text(key) or ""
    try:
        if "%" not in text:
            return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        pass
    raise node.wrong(key, "an IP address or network")
