"""A guest's addresses in the form of a Guard are what the module ipaddress would make of them."""

from __future__ import annotations

import ipaddress

from hypothesis import example, given
from hypothesis import strategies as st

from vif_agent.firewall.pairs import joined, link_local

MACS = st.binary(min_size=6, max_size=6).map(lambda octets: octets.hex(":"))
FEW = st.integers(0, 7)
FOUR = st.builds("10.0.0.{}".format, FEW)
SIX = st.builds("2001:db8::{:x}".format, FEW)
NETWORKS = st.one_of(
    FOUR,
    SIX,
    FOUR.map("{}/32".format),
    SIX.map("{}/128".format),
    st.sampled_from(
        ["0.0.0.0/0", "::/0", "10.0.0.0/30", "10.0.0.0/255.255.255.252", "2001:DB8::/126"]
    ),
)


@given(MACS)
@example("02:00:00:00:00:00")
@example("02:00:00:00:01:00")
@example("fa:16:3e:00:00:00")
def test_link_local_address_is_that_of_the_mac(mac: str) -> None:
    octets = bytes.fromhex(mac.replace(":", ""))
    half = bytes([octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]])
    address = ipaddress.IPv6Address(bytes.fromhex("fe80") + bytes(6) + half)
    assert link_local(mac) == str(ipaddress.ip_network(address))


@given(st.lists(st.tuples(st.sampled_from(["mac-a", "mac-b"]), NETWORKS), max_size=8))
@example([("mac-a", "::/0"), ("mac-a", "fe80::1/128")])
@example([("mac-a", "10.0.0.0"), ("mac-a", "10.0.0.1")])
def test_no_network_of_a_mac_holds_another(pairs: list[tuple[str, str]]) -> None:
    assert joined(pairs) == tuple(sorted(_slowly(pairs)))


def _slowly(pairs: list[tuple[str, str]]) -> set[tuple[str, str]]:
    collapsed = set()
    for mac in {mac for mac, _ in pairs}:
        for version in (4, 6):
            all_of_it = [ipaddress.ip_network(text) for of, text in pairs if of == mac]
            some = [network for network in all_of_it if network.version == version]
            collapsed |= {(mac, str(net)) for net in ipaddress.collapse_addresses(some)}  # type: ignore[type-var]
    return collapsed
