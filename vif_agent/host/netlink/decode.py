"""A link as the kernel shows it: the bytes of one RTM_NEWLINK into plain values."""

import dataclasses
import struct
from collections.abc import Mapping
from typing import Any, TypeAlias

from vif_agent.host.netlink import iflink, vxlan
from vif_agent.host.netlink.rtnetlink import attributes, each_attribute

_INET, _INET6 = 2, 10
# include/uapi/linux/ip.h (counted from 1) and ipv6.h (counted from 0)
_ARP_ANNOUNCE, _ARP_IGNORE, _DISABLE_IPV6 = 18 - 1, 19 - 1, 26

#: forwarding, as include/uapi/linux/if_bridge.h numbers the states of a port
FORWARDING = 3
_PORT_SETTINGS = (
    ("state", iflink.PORT_STATE, FORWARDING),
    ("learning", iflink.PORT_LEARNING, 1),
    ("flood", iflink.PORT_FLOOD, 1),
    ("bcast_flood", iflink.PORT_BROADCAST, 1),
    ("isolated", iflink.PORT_ISOLATED, 0),
    ("locked", iflink.PORT_LOCKED, 0),
)


@dataclasses.dataclass(frozen=True, slots=True)
class LinkState:
    """``master`` and ``link`` are indexes (0: none); ``data`` is the kind's own part, ``port`` how
    its linux bridge treats it. ``sysctls``, of which the kernel does not always tell, are read anew
    in place."""

    name: str
    altnames: tuple[str, ...]
    index: int
    kind: str
    mtu: int
    mac: str
    up: bool
    promisc: bool
    master: int
    link: int
    alias: str
    works: bool
    carrier: bool
    port: Mapping[str, int] | None
    data: Mapping[str, Any]
    sysctls: dict[str, int | None]

    def __getitem__(self, field: str) -> Any:
        return getattr(self, field)

    @property
    def is_told(self) -> bool:
        """Does the kernel tell at once of all that changes of it?"""
        return self.up and self.kind != "tun"


Raw: TypeAlias = LinkState


def link(body: bytes) -> LinkState:
    """From an RTM_NEWLINK, without its header."""
    index, flags = struct.unpack_from("=iI", body, 4)
    found = attributes(body, 16)
    info = attributes(found.get(iflink.LINKINFO, b""))
    info_kind = _text(info.get(iflink.INFO_KIND))
    others = found.get(iflink.PROP_LIST)
    return LinkState(
        name=_text(found.get(iflink.IFNAME)),
        altnames=_altnames(others) if others else (),
        index=index,
        kind=info_kind,
        mtu=_number(found.get(iflink.MTU)),
        mac=found.get(iflink.ADDRESS, b"").hex(":"),
        up=bool(flags & iflink.UP),
        promisc=bool(flags & iflink.PROMISC),
        master=_number(found.get(iflink.MASTER)),
        link=_number(found.get(iflink.LINK)),
        alias=_text(found.get(iflink.IFALIAS)),
        works=_number(found.get(iflink.OPERSTATE)) == iflink.OPER_UP,
        carrier=bool(_number(found.get(iflink.CARRIER))),
        port=_port(info),
        data=_data(info_kind, attributes(info.get(iflink.INFO_DATA, b""))),
        sysctls=_sysctls(attributes(found.get(iflink.AF_SPEC, b""))),
    )


def _altnames(listed: bytes) -> tuple[str, ...]:
    names = each_attribute(listed)
    return tuple(_text(value) for kind, value in names if kind == iflink.ALT_IFNAME)


def _data(kind: str, data: dict[int, bytes]) -> dict[str, Any]:
    if kind == "bridge":
        return {
            "forward_delay": _number(data.get(iflink.BR_FORWARD_DELAY)) // iflink.USER_HZ,
            "ageing": _number(data.get(iflink.BR_AGEING_TIME)) // iflink.USER_HZ,
            "stp": _number(data.get(iflink.BR_STP_STATE)),
            "mcast_snooping": _number(data.get(iflink.BR_MCAST_SNOOPING)),
            "learns_link_local": _learns_link_local(data.get(iflink.BR_MULTI_BOOLOPT)),
        }
    if kind == "tun":
        return {
            "type": _number(data.get(iflink.TUN_TYPE)),
            "persistent": _number(data.get(iflink.TUN_PERSIST)),
            "multi_queue": _number(data.get(iflink.TUN_MULTI_QUEUE)),
            "queues": _number(data.get(iflink.TUN_NUM_QUEUES))
            + _number(data.get(iflink.TUN_NUM_DISABLED_QUEUES)),
        }
    if kind == "vxlan":
        return vxlan.read(data)
    return {"vid": _number(data.get(iflink.VLAN_ID))} if kind == "vlan" else {}


def _learns_link_local(options: bytes | None) -> bool | None:
    """None of a kernel that has no such switch (before 5.0)."""
    return None if options is None else not _number(options) & iflink.NO_LINK_LOCAL_LEARNING


def _port(info: dict[int, bytes]) -> dict[str, int] | None:
    """How its linux bridge treats it; what an older kernel does not tell is as it makes it."""
    if _text(info.get(iflink.INFO_SLAVE_KIND)) != "bridge":
        return None
    return port(info.get(iflink.INFO_SLAVE_DATA, b""))


def port(settings: bytes) -> dict[str, int]:
    """Of a port of a linux bridge: IFLA_BRPORT_*."""
    given = attributes(settings)
    return {name: given.get(kind, bytes([usual]))[0] for name, kind, usual in _PORT_SETTINGS}


def _sysctls(families: dict[int, bytes]) -> dict[str, int | None]:
    """A device without IPv6 (module absent, MTU below 1280) counts as IPv6 off."""
    v4 = attributes(families.get(_INET, b"")).get(1, b"")
    v6 = attributes(families.get(_INET6, b"")).get(2, b"")
    return {
        "arp_ignore": _entry(v4, _ARP_IGNORE),
        "arp_announce": _entry(v4, _ARP_ANNOUNCE),
        "disable_ipv6": _entry(v6, _DISABLE_IPV6) if v6 else 1,
    }


def _entry(table: bytes, index: int) -> int | None:
    return struct.unpack_from("=i", table, 4 * index)[0] if len(table) >= 4 * index + 4 else None


def _text(value: bytes | None) -> str:
    return (value or b"").rstrip(b"\0").decode(errors="replace")


def _number(value: bytes | None) -> int:
    return int.from_bytes(value or b"", "little")
