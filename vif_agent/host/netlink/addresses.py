"""The IP addresses that devices carry, as far as they say whose a device is."""

import dataclasses
import ipaddress
import struct
from collections.abc import Iterable

from pyroute2.netlink import NLM_F_DUMP, NLM_F_REQUEST
from pyroute2.netlink.rtnl import RTM_GETADDR

from vif_agent.host.netlink.rtnetlink import Message, Socket, attributes

_DUMP = (RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP)
# include/uapi/linux/if_addr.h
_ADDRESS, _LOCAL, _FLAGS = 1, 2, 8
_DUPLICATE = 0x08  # IFA_F_DADFAILED
_LINK_SCOPE = 253


@dataclasses.dataclass(frozen=True, slots=True)
class Address:
    """``body`` is the kernel's own description, as RTM_NEWADDR takes it.

    ``stays``: it belongs to the device itself (link scope), or to nobody (a duplicate).
    """

    index: int
    text: str
    flags: int
    stays: bool
    body: bytes

    @property
    def is_ipv6(self) -> bool:
        """Else it is an IPv4 address."""
        return ":" in self.text

    @property
    def packed(self) -> bytes:
        """4 or 16 bytes, as in netlink's messages."""
        return ipaddress.ip_address(self.text).packed


def dump(netlink: Socket, index: int = 0, family: int = 0) -> list[Address]:
    """All of one device, or of the host, in the kernel's order; of one family, or of both."""
    body = struct.pack("=BBBBi", family, 0, 0, 0, index)
    return [parsed(found) for found in netlink.dump_of(Message(_DUMP, body))]


def at(addresses: Iterable[Address], text: str) -> int:
    """The index of the device that carries it; 0 for none."""
    return next((a.index for a in addresses if a.text == text), 0)


def parsed(body: bytes) -> Address:
    """From an RTM_NEWADDR or RTM_DELADDR, without its header."""
    scope, index = struct.unpack_from("=Bi", body, 3)
    found = attributes(body, 8)
    flags = int.from_bytes(found.get(_FLAGS, body[2:3]), "little")
    text = str(ipaddress.ip_address(found.get(_LOCAL) or found[_ADDRESS]))
    return Address(index, text, flags, scope >= _LINK_SCOPE or bool(flags & _DUPLICATE), body)
