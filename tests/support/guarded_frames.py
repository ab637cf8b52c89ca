"""Who sends what, whether it arrives, and if not by which counter one sees it.

The table is data: whoever has four ports (``PORTS``) in one bridge can send it, see
``tests/host/test_guard_frames.py``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from tests.support.packets import ADVERTISEMENT as NA
from tests.support.packets import (
    ARP,
    BROADCAST,
    DESTINATION_OPTIONS,
    ECHO,
    ETHERNET_AND_IPV4,
    FRAGMENT,
    HOP_BY_HOP,
    ICMP6,
    IGMP,
    IPV4,
    IPV6,
    MLD2_REPORT,
    MLD_DONE,
    MLD_QUERY,
    MLD_REPORT,
    RARP,
    TCP,
    UDP,
    arp,
    ether,
    fragment_header,
    icmp6,
    ip4,
    ip6,
    mld2_report,
    mld_report,
    neighbor,
    options_header,
    router_advertisement,
    tag,
    tcp,
    udp,
)
from tests.support.packets import ROUTER_ADVERTISEMENT as RA
from tests.support.packets import ROUTER_SOLICITATION as RS
from tests.support.packets import SOLICITATION as NS

MINE, OTHERS, SHARED_MAC = "fa:16:3e:00:00:0a", "fa:16:3e:00:00:0b", "00:00:5e:00:01:07"
SERVERS, LOOSE, FREE, FAR = (f"fa:16:3e:00:00:{n}" for n in ("5e", "10", "0f", "fa"))
PERMITTED = 0x8892

IP, IP_OF_NET, OUT_OF_NET, SHARED_IP = "10.0.0.10", "10.0.1.77", "10.0.2.1", "10.0.0.200"
OTHERS_IP, FAR_IP = "10.0.0.11", "10.0.0.250"
IP6, IP6_OF_NET, OUT_OF_NET6 = "2001:db8::a", "2001:db8:1::77", "2001:db8:2::1"
LINK, OTHERS_LINK, OTHERS_IP6 = "fe80::f816:3eff:fe00:a", "fe80::f816:3eff:fe00:b", "2001:db8::b"
FAR_IP6, ALL_NODES, ALL_ROUTERS, MLD2_ROUTERS = "2001:db8::fa", "ff02::1", "ff02::2", "ff02::16"
SERVERS_LINK, LOOSE_LINK = "fe80::f816:3eff:fe00:5e", "fe80::f816:3eff:fe00:10"


class Port(NamedTuple):
    """What it may say; ``macs`` empty: it has no guard."""

    macs: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...] = ()
    dhcp_server: bool = False
    router: bool = False


PORTS = {
    "strict": Port(
        (SHARED_MAC, MINE),
        (
            (SHARED_MAC, f"{SHARED_IP}/32"),
            (MINE, f"{IP}/32"),
            (MINE, "10.0.1.0/24"),
            (MINE, f"{IP6}/128"),
            (MINE, "2001:db8:1::/64"),
            (MINE, f"{LINK}/128"),
        ),
    ),
    "server": Port(
        (SERVERS,),
        ((SERVERS, "10.0.0.94/32"), (SERVERS, f"{SERVERS_LINK}/128")),
        dhcp_server=True,
        router=True,
    ),
    "mac only": Port((LOOSE,), ((LOOSE, "0.0.0.0/0"), (LOOSE, "::/0"))),
    "unguarded": Port(()),
}


class Case(NamedTuple):
    """``counter``: that moves by one; "": it arrives. ``BRIDGE``: the bridge itself drops it."""

    port: str
    name: str
    frame: bytes
    counter: str = ""


BRIDGE = "the bridge itself"


def _own(ethertype: int, payload: bytes, to: str = FAR, tags: bytes = b"") -> bytes:
    return ether(MINE, to, ethertype, payload, tags)


def _from_second(ethertype: int, payload: bytes) -> bytes:
    return ether(SHARED_MAC, FAR, ethertype, payload)


def _arp(
    operation: int,
    sender: str,
    sender_ip: str,
    target_ip: str,
    form: bytes = ETHERNET_AND_IPV4,
    to: str = BROADCAST,
    source: str = MINE,
) -> bytes:
    return ether(source, to, ARP, arp(operation, sender, sender_ip, target_ip, form=form))


def _rarp(
    operation: int,
    about: str,
    its_ip: str = "0.0.0.0",
    source: str = MINE,
    form: bytes = ETHERNET_AND_IPV4,
) -> bytes:
    return ether(source, BROADCAST, RARP, arp(operation, about, "0.0.0.0", its_ip, about, form))


def _ip4(source: str, protocol: int, payload: bytes, to: str = FAR_IP, **how: Any) -> bytes:
    return _own(IPV4, ip4(source, to, protocol, payload, **how))


def _ip6(source: str, following: int, payload: bytes, to: str = FAR_IP6) -> bytes:
    return _own(IPV6, ip6(source, to, following, payload))


def _part(source: str, following: int, offset: int, more: bool, payload: bytes) -> bytes:
    return _ip6(source, FRAGMENT, fragment_header(following, offset, more) + payload)


def _icmp6(
    source: str,
    kind: int,
    body: bytes,
    to: str = ALL_NODES,
    behind: tuple[int, bytes] = (ICMP6, b""),
    mac: str = MINE,
    cut: int | None = None,
) -> bytes:
    """``behind``: the first header's number, and all headers before ICMPv6."""
    message = behind[1] + icmp6(source, to, kind, body)[:cut]
    return ether(mac, FAR, IPV6, ip6(source, to, behind[0], message))


def _asking(target: str, about: str = MINE) -> bytes:
    return neighbor(target, about, 1)


def _telling(target: str, about: str = MINE) -> bytes:
    return neighbor(target, about, 2)


_TCP, _PING = tcp(1000, 80), bytes(12)
_PLAIN = ip4(IP, FAR_IP, TCP, _TCP)
_OFFER, _OFFER6 = udp(67, 68, bytes(244)), udp(547, 546, bytes(24))
_MORE, _LATER, _NO_OPERATIONS = 0x2000, 0x0008, b"\x01" * 4
_OPTIONS = DESTINATION_OPTIONS, options_header(ICMP6)
_ALERT = HOP_BY_HOP, options_header(ICMP6, router_alert=True)
_FIRST = FRAGMENT, fragment_header(ICMP6, 0, True)
#: destination options of 40 bytes, of which the first 8 are in the first fragment
_HALF = DESTINATION_OPTIONS, 0, True
_RA, _GROUP = router_advertisement(MINE), mld2_report("ff02::fb")
_SNAP = b"\xaa\xaa\x03\0\0\0\x08\0"

_ETHERNET = (
    ("own MAC and address", _own(IPV4, _PLAIN), ""),
    ("own MAC and address, to all", _own(IPV4, _PLAIN, BROADCAST), ""),
    ("another's MAC, own address", ether(OTHERS, FAR, IPV4, _PLAIN), "mac"),
    ("another's MAC, nothing known inside", ether(OTHERS, FAR, 0x88B5, b"?"), "mac"),
    ("another's MAC with a tag", ether(OTHERS, FAR, IPV4, _PLAIN, tag(5)), "mac"),
    ("a MAC of no single device", ether("01:00:5e:00:00:01", FAR, IPV4, _PLAIN), BRIDGE),
    ("second MAC, its address", _from_second(IPV4, ip4(SHARED_IP, FAR_IP, TCP, _TCP)), ""),
    ("second MAC, the first's address", _from_second(IPV4, _PLAIN), "ip4_source"),
    ("first MAC, the second's address", _ip4(SHARED_IP, TCP, _TCP), "ip4_source"),
    ("VLAN tag", _own(IPV4, _PLAIN, tags=tag(5)), "tagged"),
    ("VLAN tag around ARP", _own(ARP, arp(2, MINE, OTHERS_IP, FAR_IP), tags=tag(1)), "tagged"),
    ("priority tag, VLAN 0", _own(IPV4, _PLAIN, tags=tag(0)), "tagged"),
    ("provider's tag", _own(IPV4, _PLAIN, tags=tag(5, 0x88A8)), "tagged"),
    ("two tags", _own(IPV4, _PLAIN, tags=tag(5, 0x88A8) + tag(6)), "tagged"),
    ("old provider's tag", _own(IPV4, _PLAIN, tags=tag(5, 0x9100)), "tagged"),
    ("unknown ethertype", _own(0x88B5, b"?" * 46), "ethertype"),
    ("permitted ethertype", _own(PERMITTED, b"?" * 46), ""),
    ("permitted ethertype, another's MAC", ether(OTHERS, FAR, PERMITTED, b"?" * 46), "mac"),
    ("LLDP, to all", _own(0x88CC, b"?" * 46, BROADCAST), "ethertype"),
    ("EAPOL", _own(0x888E, b"?" * 46), "ethertype"),
    ("PPPoE discovery", _own(0x8863, b"?" * 46, BROADCAST), "ethertype"),
    ("MPLS around IPv4", _own(0x8847, b"\x00\x01\x01\xff" + _PLAIN), "ethertype"),
    ("spanning tree", _own(38, b"\x42\x42\x03" + bytes(35), "01:80:c2:00:00:00"), "ethertype"),
    ("IPv4 in 802.3 and SNAP", _own(len(_PLAIN) + 8, _SNAP + _PLAIN), "ethertype"),
    ("nothing at all", _own(IPV4, b""), "ip4_form"),
)

_ARP = (
    ("who has it, from own address", _arp(1, MINE, IP, FAR_IP), ""),
    ("answer with own address", _arp(2, MINE, IP, FAR_IP, to=FAR), ""),
    ("gratuitous request, own", _arp(1, MINE, IP, IP), ""),
    ("gratuitous answer, own", _arp(2, MINE, IP, IP), ""),
    ("probe of own address", _arp(1, MINE, "0.0.0.0", IP), ""),
    ("probe of an address of own net", _arp(1, MINE, "0.0.0.0", IP_OF_NET), ""),
    ("probe of another's address", _arp(1, MINE, "0.0.0.0", OTHERS_IP), "arp_address"),
    ("answer from nobody", _arp(2, MINE, "0.0.0.0", IP), "arp_address"),
    ("answer from nobody to own net", _arp(2, MINE, "0.0.0.0", IP_OF_NET), "arp_address"),
    ("who has own address, from another's", _arp(1, MINE, OTHERS_IP, IP), "arp_address"),
    ("who has one of own net, from another's", _arp(1, MINE, OTHERS_IP, IP_OF_NET), "arp_address"),
    ("who has it, from another's address", _arp(1, MINE, OTHERS_IP, FAR_IP), "arp_address"),
    ("gratuitous, another's address", _arp(1, MINE, OTHERS_IP, OTHERS_IP), "arp_address"),
    ("answer with another's address", _arp(2, MINE, OTHERS_IP, FAR_IP, to=FAR), "arp_address"),
    ("another's MAC inside, own address", _arp(2, OTHERS, IP, FAR_IP), "arp_mac"),
    ("another's MAC and address inside", _arp(2, OTHERS, OTHERS_IP, FAR_IP), "arp_mac"),
    ("another's MAC outside", _arp(1, MINE, IP, FAR_IP, source=OTHERS), "mac"),
    ("second MAC inside, its address", _arp(2, SHARED_MAC, SHARED_IP, FAR_IP), ""),
    ("first MAC inside, the second's address", _arp(2, MINE, SHARED_IP, FAR_IP), "arp_address"),
    ("an address of own net", _arp(1, MINE, IP_OF_NET, FAR_IP), ""),
    ("an address beside own net", _arp(1, MINE, OUT_OF_NET, FAR_IP), "arp_address"),
    ("addresses of another length", _arp(1, MINE, IP, FAR_IP, b"\0\1\x08\0\x08\4"), "arp_form"),
    ("not about IPv4", _arp(1, MINE, IP, FAR_IP, b"\0\1\x86\xdd\6\4"), "arp_form"),
    ("cut off before the sender", _arp(1, MINE, IP, FAR_IP)[:22], "arp_address"),
    ("cut off within its form", _arp(1, MINE, IP, FAR_IP)[:18], "arp_form"),
    ("RARP of qemu after a migration", _rarp(3, MINE), ""),
    ("RARP with another's MAC inside", _rarp(3, OTHERS), "rarp"),
    ("RARP answer", _rarp(4, MINE, OTHERS_IP), "rarp"),
    ("RARP not about IPv4", _rarp(3, MINE, form=b"\0\1\x86\xdd\6\4"), "rarp"),
)

_IPV4 = (
    ("another's address", _ip4(OTHERS_IP, TCP, _TCP), "ip4_source"),
    ("an address of own net", _ip4(IP_OF_NET, TCP, _TCP), ""),
    ("an address beside own net", _ip4(OUT_OF_NET, TCP, _TCP), "ip4_source"),
    ("the address of all", _ip4("255.255.255.255", UDP, udp(1, 2)), "ip4_source"),
    ("the address of a group", _ip4("224.0.0.1", UDP, udp(1, 2)), "ip4_source"),
    ("UDP", _ip4(IP, UDP, udp(9, 9)), ""),
    ("UDP, another's address", _ip4(OTHERS_IP, UDP, udp(9, 9)), "ip4_source"),
    ("IGMP", _ip4(IP, IGMP, b"\x16\0\x09\xfa\xe0\0\0\xfb", "224.0.0.251"), ""),
    ("options, own", _ip4(IP, TCP, _TCP, options=_NO_OPERATIONS), ""),
    ("options, another's", _ip4(OTHERS_IP, TCP, _TCP, options=_NO_OPERATIONS), "ip4_source"),
    ("first fragment, own", _ip4(IP, UDP, udp(9, 9), fragment=_MORE), ""),
    ("later fragment, own", _ip4(IP, UDP, bytes(64), fragment=_LATER), ""),
    ("later fragment like DHCP's, own", _ip4(IP, UDP, _OFFER, fragment=_LATER), ""),
    ("TCP to DHCP's port", _ip4(IP, TCP, tcp(67, 68)), ""),
    ("later fragment of TCP, own", _ip4(IP, TCP, bytes(64), fragment=_LATER), ""),
    ("later fragment, another's", _ip4(OTHERS_IP, UDP, bytes(64), fragment=_LATER), "ip4_source"),
    ("UDP without its ports", _ip4(IP, UDP, b"\x00"), "ip4_form"),
    ("wrong header checksum", _ip4(IP, TCP, _TCP, checksum=1), ""),
    ("not version 4", _ip4(IP, TCP, _TCP, version=5), "ip4_form"),
    (
        "later fragment, not version 4",
        _ip4(IP, UDP, _OFFER, fragment=_LATER, version=5),
        "ip4_form",
    ),
    ("says it is longer than it is", _ip4(IP, TCP, _TCP, more_length=100), "ip4_form"),
    ("DHCP client", _ip4("0.0.0.0", UDP, udp(68, 67, bytes(244)), "255.255.255.255"), ""),
    ("DHCP client renews", _ip4(IP, UDP, udp(68, 67, bytes(244))), ""),
    ("from nobody to a server", _ip4("0.0.0.0", UDP, udp(68, 67), FAR_IP), "ip4_source"),
    ("from nobody, no DHCP", _ip4("0.0.0.0", UDP, udp(68, 53), "255.255.255.255"), "ip4_source"),
    ("from nobody's other port", _ip4("0.0.0.0", UDP, udp(9, 67), "255.255.255.255"), "ip4_source"),
    ("DHCP client, another's", _ip4(OTHERS_IP, UDP, udp(68, 67), "255.255.255.255"), "ip4_source"),
    ("from nobody, TCP", _ip4("0.0.0.0", TCP, _TCP, "255.255.255.255"), "ip4_source"),
    ("DHCP server", _ip4(IP, UDP, _OFFER, "255.255.255.255"), "dhcp_server"),
    ("DHCP server by another port", _ip4(IP, UDP, udp(1067, 68, bytes(244))), "dhcp_server"),
    ("DHCP server, options", _ip4(IP, UDP, _OFFER, options=_NO_OPERATIONS), "dhcp_server"),
    ("DHCP server, first fragment", _ip4(IP, UDP, _OFFER[:64], fragment=_MORE), "dhcp_server"),
    ("DHCP server, version 5", _ip4(IP, UDP, _OFFER, version=5), "ip4_form"),
)

_IPV6 = (
    ("own address", _ip6(IP6, TCP, _TCP), ""),
    ("own link-local address", _ip6(LINK, TCP, _TCP), ""),
    ("another's address", _ip6(OTHERS_IP6, TCP, _TCP), "ip6_source"),
    ("another's link-local address", _ip6(OTHERS_LINK, TCP, _TCP), "ip6_source"),
    ("an address of own net", _ip6(IP6_OF_NET, TCP, _TCP), ""),
    ("an address beside own net", _ip6(OUT_OF_NET6, TCP, _TCP), "ip6_source"),
    (
        "second MAC, the first's address",
        _from_second(IPV6, ip6(IP6, FAR_IP6, 6, _TCP)),
        "ip6_source",
    ),
    ("UDP", _ip6(IP6, UDP, udp(9, 9)), ""),
    ("UDP, another's address", _ip6(OTHERS_IP6, UDP, udp(9, 9)), "ip6_source"),
    ("UDP from nobody", _ip6("::", UDP, udp(9, 9)), "ip6_source"),
    ("ping", _icmp6(IP6, ECHO, _PING, FAR_IP6), ""),
    ("ping from another's address", _icmp6(OTHERS_IP6, ECHO, _PING, FAR_IP6), "ip6_source"),
    ("ping from nobody", _icmp6("::", ECHO, _PING), "ip6_source"),
    ("ping from nobody about own address", _icmp6("::", ECHO, _asking(IP6)), "ip6_source"),
    ("ping from nobody about own net", _icmp6("::", ECHO, _asking(IP6_OF_NET)), "ip6_source"),
    ("no next header", _ip6(IP6, 59, b""), ""),
    ("not version 6", _own(IPV6, ip6(IP6, FAR_IP6, TCP, _TCP, version=5)), "ip6_form"),
    ("says it is longer", _own(IPV6, ip6(IP6, FAR_IP6, TCP, _TCP, more=100)), "ip6_form"),
    ("headers that do not end", _ip6(IP6, 0, options_header(DESTINATION_OPTIONS)), "ip6_form"),
    ("UDP without its ports", _ip6(IP6, UDP, b"\0"), "ip6_form"),
    ("ICMPv6 without its type", _ip6(IP6, ICMP6, b""), "ip6_form"),
    ("first fragment, own", _part(IP6, UDP, 0, True, udp(9, 9) + bytes(4)), ""),
    ("later fragment, own", _part(IP6, UDP, 64, False, bytes(64)), ""),
    ("later fragment like DHCPv6's, own", _part(IP6, UDP, 64, False, _OFFER6), ""),
    (
        "later fragment like an advertisement's",
        _part(IP6, ICMP6, 64, False, b"\x86" + bytes(31)),
        "",
    ),
    ("later fragment of ping, own", _part(IP6, ICMP6, 64, False, bytes(64)), ""),
    ("later fragment of options, own", _part(IP6, DESTINATION_OPTIONS, 64, False, bytes(64)), ""),
    ("later fragment, another's", _part(OTHERS_IP6, UDP, 64, False, bytes(64)), "ip6_source"),
    ("first fragment ends within headers", _part(IP6, *_HALF, b"\x3a\4" + bytes(6)), "ip6_form"),
    ("fragment of the whole", _part(IP6, TCP, 0, False, _TCP), ""),
    ("DHCPv6 client", _ip6(LINK, UDP, udp(546, 547, bytes(24)), "ff02::1:2"), ""),
    ("DHCPv6 server", _ip6(LINK, UDP, _OFFER6), "dhcp6_server"),
    ("DHCPv6 server by another port", _ip6(LINK, UDP, udp(1547, 546, bytes(9))), "dhcp6_server"),
    ("DHCPv6 server behind options", _ip6(LINK, 60, options_header(UDP) + _OFFER6), "dhcp6_server"),
    ("DHCPv6 server, first fragment", _part(LINK, UDP, 0, True, _OFFER6), "dhcp6_server"),
)

_ND = (
    ("solicitation, own address", _icmp6(IP6, NS, _asking(FAR_IP6)), ""),
    ("solicitation, another's address", _icmp6(OTHERS_IP6, NS, _asking(FAR_IP6)), "ip6_source"),
    ("advertisement of own address", _icmp6(IP6, NA, _telling(IP6)), ""),
    ("advertisement of own from own link-local", _icmp6(LINK, NA, _telling(IP6)), ""),
    ("advertisement of an address of own net", _icmp6(LINK, NA, _telling(IP6_OF_NET)), ""),
    ("advertisement of another's", _icmp6(LINK, NA, _telling(OTHERS_IP6)), "neighbor_advert"),
    ("advertisement from another's", _icmp6(OTHERS_LINK, NA, _telling(IP6)), "ip6_source"),
    (
        "advertisement of another's behind options",
        _icmp6(LINK, NA, _telling(OTHERS_IP6), behind=_OPTIONS),
        "neighbor_advert",
    ),
    (
        "advertisement of another's, first fragment",
        _icmp6(LINK, NA, _telling(OTHERS_IP6), behind=_FIRST),
        "neighbor_advert",
    ),
    ("advertisement without its target", _icmp6(LINK, NA, b"", cut=8), "neighbor_advert"),
    ("is own address free", _icmp6("::", NS, _asking(IP6), "ff02::1:ff00:a", cut=24), ""),
    ("is own link-local free", _icmp6("::", NS, _asking(LINK), "ff02::1:ff00:a", cut=24), ""),
    ("is one of own net free", _icmp6("::", NS, _asking(IP6_OF_NET), "ff02::1:ff00:77"), ""),
    ("is another's free", _icmp6("::", NS, _asking(OTHERS_IP6), "ff02::1:ff00:b"), "ip6_source"),
    ("router solicitation", _icmp6(LINK, RS, bytes(4), ALL_ROUTERS), ""),
    ("router solicitation from nobody", _icmp6("::", RS, bytes(4), ALL_ROUTERS), "ip6_source"),
    ("router advertisement", _icmp6(LINK, RA, _RA), "router_advert"),
    (
        "router advertisement behind options",
        _icmp6(LINK, RA, _RA, behind=_OPTIONS),
        "router_advert",
    ),
    ("router advertisement behind an alert", _icmp6(LINK, RA, _RA, behind=_ALERT), "router_advert"),
    ("router advertisement in fragments", _icmp6(LINK, RA, _RA, behind=_FIRST), "router_advert"),
    ("MLD report", _icmp6(LINK, MLD2_REPORT, _GROUP, MLD2_ROUTERS), ""),
    ("MLD report behind an alert", _icmp6(LINK, MLD2_REPORT, _GROUP, MLD2_ROUTERS, _ALERT), ""),
    ("MLD report from nobody", _icmp6("::", MLD2_REPORT, _GROUP, MLD2_ROUTERS, _ALERT), ""),
    ("MLD report of version 1", _icmp6("::", MLD_REPORT, mld_report("ff02::fb"), "ff02::fb"), ""),
    ("MLD done", _icmp6("::", MLD_DONE, mld_report("ff02::fb"), ALL_ROUTERS, _ALERT), ""),
    (
        "MLD query from nobody",
        _icmp6("::", MLD_QUERY, mld_report("::"), behind=_ALERT),
        "ip6_source",
    ),
    (
        "MLD report from another's",
        _icmp6(OTHERS_LINK, MLD2_REPORT, _GROUP, MLD2_ROUTERS, _ALERT),
        "ip6_source",
    ),
)


def _of(source: str, ethertype: int, payload: bytes) -> bytes:
    return ether(source, FAR, ethertype, payload)


def _advert(who: str, source: str) -> bytes:
    return _icmp6(source, RA, router_advertisement(who), mac=who)


_SERVER = (
    ("DHCP server", _of(SERVERS, IPV4, ip4("10.0.0.94", IP, UDP, _OFFER)), ""),
    ("DHCPv6 server", _of(SERVERS, IPV6, ip6(SERVERS_LINK, LINK, UDP, _OFFER6)), ""),
    ("router advertisement", _advert(SERVERS, SERVERS_LINK), ""),
    ("DHCP server, another's", _of(SERVERS, IPV4, ip4(FAR_IP, IP, UDP, _OFFER)), "ip4_source"),
    ("router advertisement, another's", _advert(SERVERS, OTHERS_LINK), "ip6_source"),
)

_LOOSE = (
    ("any IPv4 address", _of(LOOSE, IPV4, ip4(OTHERS_IP, FAR_IP, TCP, _TCP)), ""),
    ("any address in ARP", _arp(2, LOOSE, OTHERS_IP, FAR_IP, source=LOOSE), ""),
    ("probe of any address", _arp(1, LOOSE, "0.0.0.0", OTHERS_IP, source=LOOSE), ""),
    ("any IPv6 address", _of(LOOSE, IPV6, ip6(OTHERS_IP6, FAR_IP6, TCP, _TCP)), ""),
    ("advertisement of any", _icmp6(LOOSE_LINK, NA, _telling(OTHERS_IP6, LOOSE), mac=LOOSE), ""),
    ("is any address free", _icmp6("::", NS, _asking(OTHERS_IP6, LOOSE), mac=LOOSE), ""),
    ("router solicitation from nobody", _icmp6("::", RS, bytes(4), ALL_ROUTERS, mac=LOOSE), ""),
    ("another's MAC", _of(MINE, IPV4, _PLAIN), "mac"),
    ("another's MAC in ARP", _arp(2, MINE, IP, FAR_IP, source=LOOSE), "arp_mac"),
    ("DHCP client", _of(LOOSE, IPV4, ip4("0.0.0.0", "255.255.255.255", UDP, udp(68, 67))), ""),
    ("DHCP server", _of(LOOSE, IPV4, ip4("10.0.0.16", FAR_IP, UDP, _OFFER)), "dhcp_server"),
    ("DHCPv6 server", _of(LOOSE, IPV6, ip6(LOOSE_LINK, LINK, UDP, _OFFER6)), "dhcp6_server"),
    ("router advertisement", _advert(LOOSE, LOOSE_LINK), "router_advert"),
    ("RARP of qemu", _rarp(3, LOOSE, source=LOOSE), ""),
    ("VLAN tag", ether(LOOSE, FAR, IPV4, _PLAIN, tag(5)), "tagged"),
    ("unknown ethertype", _of(LOOSE, 0x88B5, b"?" * 46), "ethertype"),
)

_FREE = (
    ("another's MAC and address", _of(OTHERS, IPV4, ip4(OTHERS_IP, FAR_IP, TCP, _TCP)), ""),
    ("unknown ethertype", _of(FREE, 0x88B5, b"?" * 46), ""),
    ("router advertisement", _advert(FREE, LINK), ""),
)

_ROWS = (
    ("strict", "Ethernet", _ETHERNET),
    ("strict", "ARP", _ARP),
    ("strict", "IPv4", _IPV4),
    ("strict", "IPv6", _IPV6),
    ("strict", "ICMPv6", _ND),
    ("server", "", _SERVER),
    ("mac only", "", _LOOSE),
    ("unguarded", "", _FREE),
)
CASES = tuple(
    Case(port, f"{what}: {name}" if what else name, frame, counter)
    for port, what, rows in _ROWS
    for name, frame, counter in rows
)


def fence(port: str, mark: bytes) -> bytes:
    """What this port may send: what has not arrived before it does not arrive."""
    who, source = {
        "strict": (MINE, IP),
        "server": (SERVERS, "10.0.0.94"),
        "mac only": (LOOSE, "10.0.0.1"),
        "unguarded": (FREE, "10.0.0.1"),
    }[port]
    return ether(who, BROADCAST, IPV4, ip4(source, "10.0.0.255", UDP, udp(7, 7, mark)))
