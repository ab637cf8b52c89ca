"""All rules there are: the same for every port, whose own things are in the sets. Pure.

Read from above: ``ports`` is where frames come from any device. What nobody has allowed is
dropped, and counted by the reason. Of IPv6, RFC 4862 (an address is probed from ::), RFC 3590 (so
are groups joined), RFC 4861 (neighbour discovery) and RFC 6980 (never in fragments).
"""

from vif_agent.host.nft.sets import (
    ANY4,
    ANY6,
    DHCP_SERVERS,
    GUARDED,
    MACS,
    NET4,
    NET6,
    ONE4,
    ONE6,
    PERMITTED,
    ROUTERS,
)
from vif_agent.host.nft.words import (
    ARP_FORM,
    ARP_OPERATION,
    ARP_SENDER,
    ARP_SENDER_MAC,
    ARP_TARGET,
    DEVICE,
    ETHERTYPE,
    FROM_PORT,
    ICMP6_TYPE,
    IP4_DESTINATION,
    IP4_FRAGMENT,
    IP4_SOURCE,
    IP6_FRAGMENT,
    IP6_SOURCE,
    ND_TARGET,
    PROTOCOL,
    SOURCE_MAC,
    TO_PORT,
    Accept,
    Chain,
    Condition,
    Drop,
    Field,
    Goto,
    In,
    Is,
    IsNot,
    IsThere,
    NotIn,
    Rule,
    Verdict,
)

_UDP, _ICMP6 = b"\x11", b"\x3a"
_TAGS = (b"\x81\x00", b"\x88\xa8", b"\x91\x00")
_IP, _ARP, _RARP, _IPV6 = b"\x08\x00", b"\x08\x06", b"\x80\x35", b"\x86\xdd"
_ETHERNET_AND_IPV4 = b"\x00\x01\x08\x00\x06\x04"
_REQUEST, _REVERSE_REQUEST = b"\x00\x01", b"\x00\x03"
_NOBODY4, _EVERYBODY4, _NOBODY6 = bytes(4), b"\xff" * 4, bytes(16)
_DHCP_CLIENT, _DHCP_SERVER, _DHCPV6_CLIENT = b"\x00\x44", b"\x00\x43", b"\x02\x22"
_MLD_REPORTS = (b"\x83", b"\x84", b"\x8f")  # of both versions, and that one leaves
_SOLICITATION, _ADVERTISEMENT, _ROUTER_ADVERTISEMENT = b"\x87", b"\x88", b"\x86"
_OFFSET4, _OFFSET6 = b"\x1f\xff", b"\xff\xf8"

#: ethertypes that the rules speak of themselves
SPOKEN_OF = frozenset(int.from_bytes(n) for n in (_IP, _ARP, _RARP, _IPV6, *_TAGS))


# A rule with an address says once more what it is about: else nft would show the address as mere
# bits, and could not read what it has shown.
_IS_ARP, _IS_IP4, _IS_IP6 = (Is(ETHERTYPE, number) for number in (_ARP, _IP, _IPV6))


def _own4(mac: Field, address: Field, then: Verdict, *when: Condition) -> tuple[Rule, ...]:
    """If this MAC address may have this address. The last way costs most."""
    return (
        (*when, In(ONE4, (DEVICE, mac, address)), then),
        (*when, In(ANY4, (DEVICE, mac)), then),
        (*when, In(NET4, (DEVICE, mac, address)), then),
    )


def _own6(address: Field, then: Verdict, *when: Condition) -> tuple[Rule, ...]:
    return (
        (_IS_IP6, *when, In(ONE6, (DEVICE, SOURCE_MAC, address)), then),
        (*when, In(ANY6, (DEVICE, SOURCE_MAC)), then),
        (_IS_IP6, *when, In(NET6, (DEVICE, SOURCE_MAC, address)), then),
    )


def _but_any(own: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """Without who may have any address: that has passed already."""
    one, _, net = own
    return one, net


def _icmp6(*kinds: bytes) -> tuple[Condition, ...]:
    return (_IS_IP6, Is(PROTOCOL, _ICMP6), *(Is(ICMP6_TYPE, kind) for kind in kinds))


#: before what anybody does by the conventional priorities; the host's, before connection tracking
#: makes one packet of the fragments of several guests
_BRIDGED, _ROUTED = -310, -410


def _ports(priority: int) -> Chain:
    return Chain("ports", ((In(GUARDED, (DEVICE,)), Goto("guard")),), hooked=priority)


_MAC = (NotIn(MACS, (DEVICE, SOURCE_MAC)), Drop("mac"))

OF_A_BRIDGE = (
    _ports(_BRIDGED),
    Chain(
        "guard",
        (
            _MAC,
            (Is(ETHERTYPE, _IP), Goto("guard_ip4")),
            (Is(ETHERTYPE, _IPV6), Goto("guard_ip6")),
            (Is(ETHERTYPE, _ARP), Goto("guard_arp")),
            (Is(ETHERTYPE, _RARP), Goto("guard_rarp")),
            *((Is(ETHERTYPE, tag), Drop("tagged")) for tag in _TAGS),
            (In(PERMITTED, (ETHERTYPE,)), Accept()),
            (Drop("ethertype"),),
        ),
    ),
)

OF_IP = (
    _ports(_ROUTED),
    Chain(
        "guard",
        (
            _MAC,
            (Is(ETHERTYPE, _IP), Goto("guard_ip4")),
            (Is(ETHERTYPE, _IPV6), Goto("guard_ip6")),
            (Drop("ethertype"),),
        ),
    ),
)

OF_ARP = (
    _ports(_BRIDGED),
    Chain("guard", (_MAC, (Goto("guard_arp"),))),
)

ARP_CHAINS = (
    Chain(
        "guard_arp",
        (
            (Is(ARP_FORM, _ETHERNET_AND_IPV4), Goto("guard_arp_sender")),
            (Drop("arp_form"),),
        ),
    ),
    Chain(
        "guard_arp_sender",
        (
            (_IS_ARP, NotIn(MACS, (DEVICE, ARP_SENDER_MAC)), Drop("arp_mac")),
            *_own4(ARP_SENDER_MAC, ARP_SENDER, Accept(), _IS_ARP),
            *_but_any(
                _own4(  # RFC 5227: is an address of mine free?
                    ARP_SENDER_MAC,
                    ARP_TARGET,
                    Accept(),
                    _IS_ARP,
                    Is(ARP_SENDER, _NOBODY4),
                    Is(ARP_OPERATION, _REQUEST),
                )
            ),
            (Drop("arp_address"),),
        ),
    ),
)

RARP_CHAINS = (
    Chain(
        "guard_rarp",  # by which qemu tells where a guest that has moved is now
        (
            (
                Is(ARP_FORM, _ETHERNET_AND_IPV4),
                Is(ARP_OPERATION, _REVERSE_REQUEST),
                In(MACS, (DEVICE, ARP_SENDER_MAC)),
                Accept(),
            ),
            (Drop("rarp"),),
        ),
    ),
)

IP_CHAINS = (
    Chain(
        "guard_ip4",
        (
            (IsNot(PROTOCOL, _UDP), Goto("guard_ip4_source")),
            # first, for what comes where ports would be the kernel takes for ports
            (Is(PROTOCOL, _UDP), IsNot(IP4_FRAGMENT, bytes(2), _OFFSET4), Goto("guard_ip4_source")),
            (IsThere(TO_PORT), Goto("guard_ip4_udp")),
            (Drop("ip4_form"),),  # its header is wrong, or it does not say its ports
        ),
    ),
    Chain(
        "guard_ip4_udp",
        (
            # whatever port it comes from: clients do not ask
            (Is(TO_PORT, _DHCP_CLIENT), NotIn(DHCP_SERVERS, (DEVICE,)), Drop("dhcp_server")),
            (
                _IS_IP4,
                Is(IP4_SOURCE, _NOBODY4),
                Is(IP4_DESTINATION, _EVERYBODY4),
                Is(FROM_PORT, _DHCP_CLIENT),
                Is(TO_PORT, _DHCP_SERVER),
                Accept(),
            ),
            (Goto("guard_ip4_source"),),
        ),
    ),
    Chain(
        "guard_ip4_source",
        (*_own4(SOURCE_MAC, IP4_SOURCE, Accept(), _IS_IP4), (Drop("ip4_source"),)),
    ),
    Chain(
        "guard_ip6",
        (
            (IsNot(PROTOCOL, _UDP), IsNot(PROTOCOL, _ICMP6), Goto("guard_ip6_source")),
            (Is(PROTOCOL, _UDP), IsThere(TO_PORT), Goto("guard_ip6_udp")),
            (Is(PROTOCOL, _ICMP6), IsThere(ICMP6_TYPE), Goto("guard_icmp6")),
            # what it is the first fragment says, and must say
            (IsNot(IP6_FRAGMENT, bytes(2), _OFFSET6), Goto("guard_ip6_source")),
            (Drop("ip6_form"),),  # its headers are wrong, or end before they say what it is
        ),
    ),
    Chain(
        "guard_ip6_udp",
        (
            (Is(TO_PORT, _DHCPV6_CLIENT), NotIn(DHCP_SERVERS, (DEVICE,)), Drop("dhcp6_server")),
            (Goto("guard_ip6_source"),),
        ),
    ),
    Chain(
        "guard_icmp6",
        (
            (
                *_icmp6(_ROUTER_ADVERTISEMENT),
                NotIn(ROUTERS, (DEVICE,)),
                Drop("router_advert"),
            ),
            (*_icmp6(_ADVERTISEMENT), Goto("guard_advertisement")),
            (_IS_IP6, Is(IP6_SOURCE, _NOBODY6), Goto("guard_icmp6_nobody")),
            (Goto("guard_ip6_source"),),
        ),
    ),
    Chain(
        "guard_advertisement",
        (
            *_own6(ND_TARGET, Goto("guard_ip6_source"), *_icmp6(_ADVERTISEMENT)[1:]),
            (Drop("neighbor_advert"),),
        ),
    ),
    Chain(
        "guard_icmp6_nobody",
        (
            *((*_icmp6(report), Accept()) for report in _MLD_REPORTS),
            (In(ANY6, (DEVICE, SOURCE_MAC)), Accept()),
            *_but_any(_own6(ND_TARGET, Accept(), *_icmp6(_SOLICITATION)[1:])),
            (Drop("ip6_source"),),
        ),
    ),
    Chain("guard_ip6_source", (*_own6(IP6_SOURCE, Accept()), (Drop("ip6_source"),))),
)


def permitted_ethertypes(numbers: object) -> tuple[int, ...]:
    """Read strictly; ValueError for what no rule may let pass unseen."""
    if not isinstance(numbers, list | tuple):
        raise ValueError(f"permitted ethertypes: expected a list, got {numbers!r}")
    for number in numbers:
        if type(number) is not int or not 0x600 <= number <= 0xFFFF or number in SPOKEN_OF:
            spoken = ", ".join(f"{n:#06x}" for n in sorted(SPOKEN_OF))
            raise ValueError(
                f"permitted ethertype: expected 0x0600 to 0xffff, none of {spoken}; got {number!r}"
            )
    return tuple(sorted(set(numbers)))
