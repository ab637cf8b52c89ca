"""Frames by hand, byte by byte: also such as no stack would send."""

from __future__ import annotations

import ipaddress
import struct

ETHERNET_AND_IPV4 = b"\x00\x01\x08\x00\x06\x04"
ARP, IPV4, IPV6, RARP = 0x0806, 0x0800, 0x86DD, 0x8035
BROADCAST = "ff:ff:ff:ff:ff:ff"
TCP, UDP, ICMP6, IGMP = 6, 17, 58, 2
HOP_BY_HOP, FRAGMENT, DESTINATION_OPTIONS = 0, 44, 60
SOLICITATION, ADVERTISEMENT, ROUTER_SOLICITATION, ROUTER_ADVERTISEMENT = 135, 136, 133, 134
MLD_QUERY, MLD_REPORT, MLD_DONE, MLD2_REPORT, ECHO = 130, 131, 132, 143, 128


def ether(
    source: str, destination: str, ethertype: int, payload: bytes, tags: bytes = b""
) -> bytes:
    """Not filled up: short ones are to be seen, too."""
    return mac(destination) + mac(source) + tags + struct.pack("!H", ethertype) + payload


def tag(vid: int, kind: int = 0x8100) -> bytes:
    return struct.pack("!HH", kind, vid)


def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def address(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


def arp(
    operation: int,
    sender: str,
    sender_ip: str,
    target_ip: str,
    target: str = "00:00:00:00:00:00",
    form: bytes = ETHERNET_AND_IPV4,
) -> bytes:
    who = mac(sender) + address(sender_ip) + mac(target) + address(target_ip)
    return form + struct.pack("!H", operation) + who


def ip4(
    source: str,
    destination: str,
    protocol: int,
    payload: bytes,
    options: bytes = b"",
    fragment: int = 0,
    version: int = 4,
    more_length: int = 0,
    checksum: int | None = None,
) -> bytes:
    """``fragment``: flags and offset, as they are in the header."""
    words = 5 + len(options) // 4
    length = words * 4 + len(payload) + more_length
    parts = struct.pack("!BBHHHBB", version << 4 | words, 0, length, 7, fragment, 64, protocol)
    ends = address(source) + address(destination) + options
    if checksum is None:
        checksum = _sum(parts + bytes(2) + ends)
    return parts + struct.pack("!H", checksum) + ends + payload


def ip6(
    source: str, destination: str, following: int, payload: bytes, version: int = 6, more: int = 0
) -> bytes:
    """``following``: the first header that ``payload`` begins with."""
    head = struct.pack("!IHBB", version << 28, len(payload) + more, following, 255)
    return head + address(source) + address(destination) + payload


def options_header(following: int, router_alert: bool = False) -> bytes:
    """Hop-by-hop or destination options: a router alert, or padding."""
    option = b"\x05\x02\x00\x00\x01\x00" if router_alert else b"\x01\x04\x00\x00\x00\x00"
    return bytes((following, 0)) + option


def fragment_header(following: int, offset: int, more: bool) -> bytes:
    """``offset`` in bytes."""
    return struct.pack("!BBHI", following, 0, offset | more, 0x1234)


def udp(source: int, destination: int, data: bytes = b"data") -> bytes:
    return struct.pack("!HHHH", source, destination, 8 + len(data), 0) + data


def tcp(source: int, destination: int) -> bytes:
    return struct.pack("!HHIIBBHHH", source, destination, 1, 0, 5 << 4, 2, 1024, 0, 0)


def icmp6(source: str, destination: str, kind: int, body: bytes) -> bytes:
    """With its checksum: a bridge that listens to MLD looks at it."""
    message = struct.pack("!BBH", kind, 0, 0) + body
    pseudo = address(source) + address(destination) + struct.pack("!II", len(message), ICMP6)
    return message[:2] + struct.pack("!H", _sum(pseudo + message)) + message[4:]


def neighbor(target: str, about: str, option: int) -> bytes:
    """Of a solicitation or advertisement; ``option`` 1: of its source, 2: of the target."""
    return bytes(4) + address(target) + bytes((option, 1)) + mac(about)


def router_advertisement(about: str) -> bytes:
    return bytes((64, 0)) + struct.pack("!HII", 1800, 0, 0) + bytes((1, 1)) + mac(about)


def mld_report(group: str) -> bytes:
    return bytes(4) + address(group)


def mld2_report(group: str) -> bytes:
    return bytes(2) + struct.pack("!H", 1) + bytes((4, 0, 0, 0)) + address(group)


def _sum(data: bytes) -> int:
    words = struct.unpack(f"!{len(data) // 2}H", data)
    total: int = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
