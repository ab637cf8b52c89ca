"""A network in its one form is told from all else as the module ipaddress would, in a tenth of its
time."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vif_agent.ip_networks import is_network

TEXTS = (
    "10.0.0.9", "10.0.0.9/32", "10.0.0.9/24", "10.0.0.0/24", "0.0.0.0/0", "::/0", "::1/128",
    "fe80::1%eth0/128", "2001:DB8::/32", "2001:db8:0:0::/64", "::ffff:192.0.2.1/128",
    "::ffff:c000:201/128", "::192.0.2.1/128", "::c000:201/128", "1:0:3:4:5:6:7:8/128",
    "1:0:0:4:5:0:0:8/128", "010.0.0.0/8", "10.0.0.0/08", "10.0.0.0/+8", "10.0.0.0/ 8", "10.0/16",
    "10.0.0.0/255.0.0.0", "0.0.0.0/-9", "10.0.0.0/-99999999999", "10.0.0.0/33", "::/129", "/8", "",
    "::/", "10.0.0.0/8/8", "10.0.0.0/\u0668", "10.0.0.0\0/8", " 10.0.0.0/8",
)  # fmt: skip


def _slowly(text: str) -> bool:
    try:
        return "%" not in text and str(ipaddress.ip_network(text)) == text
    except ValueError:
        return False


@pytest.mark.parametrize("text", TEXTS)
def test_odd_forms(text: str) -> None:
    assert is_network(text) == _slowly(text)


@given(st.ip_addresses(), st.integers(0, 128), st.booleans())
@example(ipaddress.ip_address("::ffff:192.0.2.1"), 128, True)
def test_all_networks(address: ipaddress.IPv4Address, bits: int, strict: bool) -> None:
    bits = min(bits, address.max_prefixlen)
    text = (
        str(ipaddress.ip_network((address, bits), strict=False)) if strict else f"{address}/{bits}"
    )
    assert is_network(text) == _slowly(text)


@given(st.text("0123456789abcdef:./%", max_size=24))
def test_all_texts(text: str) -> None:
    assert is_network(text) == _slowly(text)
