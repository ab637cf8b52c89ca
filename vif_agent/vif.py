"""A VIF as the plugins see it, and the only place that reads the bus's dicts.

The field names are those of nova's ``nova.network.model.VIF``.
"""

import dataclasses
import ipaddress
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TypeVar, cast

from vif_agent.errors import InvalidRequest, brief
from vif_agent.names import DEVICE_NAME as DEVICE_NAME
from vif_agent.names import means_something

_T = TypeVar("_T")

_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,62}\Z")
MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}\Z")
_DEEPEST = 12
_SCALARS = (str, int, float, bool)
_EMPTY: Mapping[str, object] = MappingProxyType({})
MTU = (68, 65521)  # IPv4's least (RFC 791) to what a tap takes (65535 and no Ethernet header)
_SOCKET = 107  # bytes: sun_path of unix(7), without its final NUL
_SEGMENT = (0, (1 << 32) - 1)  # of all of Neutron's types GRE has the longest
_VLAN = (0, 4094)  # 0 is "untagged" in nova's details.vlan
_PCI = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]\Z")
_LONGEST_UUID = 45  # characters: with "urn:uuid:" before it, as Python reads it too
_RATE = (0, (1 << 32) - 1)  # of a VF in Mbit/s (struct ifla_vf_rate)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Vif:
    """One virtual interface, checked and immutable.

    ``details`` and ``profile`` are Neutron's ``binding:vif_details`` and ``binding:profile``,
    deeply frozen, for what only one plugin knows; what several need has a typed field.
    ``vhostuser_mode`` is qemu's part: the server makes the socket, the client connects to it.
    What stands from ``port_security`` on (None: not said) is the port's own in Neutron, and is read
    from the VIF's ``meta`` by Neutron's names; nova does not say it. The rates are in Mbit/s.
    ``ips``: its fixed addresses, in the order of the subnets.
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


def parse(instance: object, vif: object) -> Vif:
    """Check a ``plug_vif`` cast's arguments; InvalidRequest names the first bad field."""
    node, owner = _Node("vif", vif), _Node("instance", instance)
    network, details = node.child("network"), node.child("details")
    meta, profile = network.child("meta"), node.child("profile")
    parsed = Vif(
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
        details=cast("Mapping[str, object]", freeze(details.value, details.path)),
        profile=cast("Mapping[str, object]", freeze(profile.value, profile.path)),
    )
    return _of_a_card(parsed, profile, node.child("meta"))


def _of_a_card(vif: Vif, profile: "_Node", meta: "_Node") -> Vif:
    """With what is said for a VF; ``meta`` is the port's own."""
    return dataclasses.replace(
        vif,
        pci_slot=profile.pci("pci_slot"),
        trusted=profile.flag("trusted", False),
        port_security=meta.switch("port_security_enabled"),
        admin_up=meta.switch("admin_state_up"),
        follows_uplink=meta.switch("propagate_uplink_status"),
        min_tx_rate=meta.number("min_tx_rate", *_RATE),
        max_tx_rate=meta.number("max_tx_rate", *_RATE),
    )


def port_id_of(vif: object) -> str:
    """The port of a cast: all that an ``unplug_vif`` must name. Lower-case canonical UUID."""
    node = _Node("vif", vif)
    return node.need(node.uuid("id"), "id", "the port's UUID")


def canonical(field: str, value: object) -> str:
    """The one form of a UUID in here, as Neutron and nova write it: lower-case, with dashes."""
    try:
        if not isinstance(value, str) or len(value) > _LONGEST_UUID:
            raise ValueError(value)
        return str(uuid.UUID(value))
    except ValueError:
        raise InvalidRequest(field, value, "a UUID") from None


def freeze(value: object, path: str, depth: int = 0) -> object:
    """Deeply immutable copy of a JSON value; refuses what is nested too deep to be a VIF."""
    if depth > _DEEPEST:
        raise InvalidRequest(path, "…", f"at most {_DEEPEST} levels")
    if value is None or isinstance(value, _SCALARS):
        return value
    if isinstance(value, Mapping):
        return MappingProxyType({str(k): freeze(v, path, depth + 1) for k, v in value.items()})
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return tuple(freeze(item, path, depth + 1) for item in value)
    raise InvalidRequest(path, value, "JSON values")


def check_json(value: object, path: str) -> None:
    """As ``freeze`` refuses it, for what is only kept as it is."""
    level: list[object] = [value]
    for _ in range(_DEEPEST + 1):
        below: list[object] = []
        for item in level:
            if isinstance(item, str) or item is None:
                continue
            if isinstance(item, dict):
                below += item.values()
            elif isinstance(item, list):
                below += item
            elif not isinstance(item, int | float):
                freeze(item, path)
        if not below:
            return
        level = below
    raise InvalidRequest(path, "…", f"at most {_DEEPEST} levels")


def _devname(node: "_Node") -> str | None:
    name = node.device("devname")
    if name and means_something(name):
        raise node.wrong("devname", "a name of the port's own, such as tap and part of its id")
    return name


def _bridge(network: "_Node", details: "_Node") -> str | None:
    """Neutron's binding says it best; both must be good."""
    own, networks = details.device("bridge_name"), network.device("bridge")
    return own or networks


def _vlan(meta: "_Node", details: "_Node") -> int | None:
    own, networks = details.number("vlan", *_VLAN), meta.number("vlan", *_VLAN)
    return networks if own is None else own


def _drivers(details: "_Node") -> tuple[str, ...]:
    """``bound_drivers`` is {level: mechanism driver}; lowest level last (Neutron 08bdc4ded1)."""
    node = details.child("bound_drivers")
    return tuple(node.need(node.word(k), k, "a driver's name") for k in sorted(node.value))


def _socket(details: "_Node") -> str | None:
    """A path that fits a sockaddr_un."""
    path = details.text("vhostuser_socket")
    if path is not None and not (path.startswith("/") and len(path.encode()) <= _SOCKET):
        raise details.wrong("vhostuser_socket", f"an absolute path of at most {_SOCKET} bytes")
    return path


def _ips(network: "_Node") -> Iterator[str]:
    for subnet in network.children("subnets"):
        for ip in subnet.children("ips"):
            yield ip.need(ip.address("address"), "address", "an IP address")


class _Node:
    """A dict on the way in, which knows its path for error messages."""

    def __init__(self, path: str, value: object) -> None:
        if not isinstance(value, dict | Mapping):  # dict is told at once, the other is not
            raise InvalidRequest(path, value, "a dict")
        for key in value:
            if not isinstance(key, str) or len(key) > 255:
                raise InvalidRequest(path, key, "keys that are short strings")
        self.path = path
        self.value: Mapping[str, object] = value

    def need(self, value: _T | None, key: str, expected: str) -> _T:
        if value is None:
            raise self.wrong(key, expected)
        return value

    def wrong(self, key: str, expected: str) -> InvalidRequest:
        said = key if key.isprintable() else brief(key)  # of a bad one the sender has thought
        return InvalidRequest(f"{self.path}.{said}", self.value.get(key), expected)

    def child(self, key: str) -> "_Node":
        value = self.value.get(key)
        return _Node(f"{self.path}.{key}", {} if value is None else value)

    def children(self, key: str) -> Iterator["_Node"]:
        value = self.value.get(key)
        if value is None:
            return
        if not isinstance(value, Sequence) or isinstance(value, str | bytes):
            raise self.wrong(key, "a list")
        for place, item in enumerate(value):
            yield _Node(f"{self.path}.{key}[{place}]", item)

    def address(self, key: str) -> str | None:
        text = self.text(key)
        try:
            return None if text is None else str(ipaddress.ip_address(text))
        except ValueError:
            raise self.wrong(key, "an IP address") from None

    def text(self, key: str, limit: int = 255) -> str | None:
        value = self.value.get(key)
        if value is None or value == "":
            return None
        if not isinstance(value, str) or len(value) > limit or not value.isprintable():
            raise self.wrong(key, f"printable text of at most {limit} characters")
        return value

    def word(self, key: str) -> str | None:
        return self._matching(key, _WORD, "a name of letters, digits, '_', '-', '.'")

    def device(self, key: str) -> str | None:
        expected = "a device name of 1 to 15 letters, digits, '_', '-', '.'"
        return self._matching(key, DEVICE_NAME, expected)

    def mac(self, key: str) -> str | None:
        value = self._matching(key, MAC, "a MAC address", lower=True)
        if value is not None and (int(value[:2], 16) & 1 or value == "00:00:00:00:00:00"):
            raise self.wrong(key, "a unicast MAC address")
        return value

    def uuid(self, key: str) -> str | None:
        text = self.text(key)
        return None if text is None else canonical(f"{self.path}.{key}", text)

    def pci(self, key: str) -> str | None:
        expected = "a PCI address such as 0000:03:10.1"
        return self._matching(key, _PCI, expected, lower=True)

    def flag(self, key: str, default: bool) -> bool:
        value = self.switch(key)
        return default if value is None else value

    def switch(self, key: str) -> bool | None:
        """JSON booleans, and the strings nova's profiles carry ("true", "False")."""
        value = self.value.get(key)
        if value is None:
            return None
        known = {True: True, False: False, "true": True, "false": False}
        folded = value.lower() if isinstance(value, str) else value
        if not isinstance(folded, bool | str) or folded not in known:
            raise self.wrong(key, "true or false")
        return known[folded]

    def number(self, key: str, least: int, most: int) -> int | None:
        """Integers, also as decimal strings (nova sends ``vlan`` so)."""
        value = self.value.get(key)
        if value is None:
            return None
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value, re.ASCII):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self.wrong(key, f"a number from {least} to {most}")
        return value

    def one_of(self, key: str, choices: Sequence[str]) -> str | None:
        value = self.text(key)
        if value is not None and value not in choices:
            raise self.wrong(key, "one of " + ", ".join(choices))
        return value

    def _matching(
        self, key: str, pattern: re.Pattern[str], expected: str, lower: bool = False
    ) -> str | None:
        value = self.value.get(key)
        if value is None or value == "":
            return None
        text = value.lower() if lower and isinstance(value, str) else value
        if not isinstance(text, str) or not pattern.match(text):
            raise self.wrong(key, expected)
        return text
