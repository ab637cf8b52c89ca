"""IP networks as text in their one form, quicker than by the module ipaddress, a tenth of its time:
there is one and more for each port. Pure.
"""

import functools
import ipaddress
import socket
from typing import NamedTuple

_LONGEST_BITS = len("128")


class Network(NamedTuple):
    """First and last address, and how many bits they have in common."""

    first: bytes
    last: bytes
    bits: int


@functools.lru_cache(1 << 12)
def network(text: str) -> Network:
    """From a form as "10.0.0.0/24"; ValueError."""
    address, _, bits = text.partition("/")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        if not bits.isdecimal() or len(bits) > _LONGEST_BITS:
            raise ValueError
        first = socket.inet_pton(family, address)
        hosts = (1 << len(first) * 8 - int(bits)) - 1
    except (OSError, ValueError):
        raise ValueError(f"expected a network as 10.0.0.0/24, got {text!r}") from None
    number = int.from_bytes(first)
    if number & hosts:
        raise ValueError(f"expected a network without bits of hosts, got {text!r}")
    return Network(first, (number | hosts).to_bytes(len(first)), int(bits))


@functools.lru_cache(1 << 12)
def is_network(text: str) -> bool:
    """In its one form, which is how it is read back?"""
    try:
        first, _, bits = network(text)
    except ValueError:
        return False
    return text == f"{address(first)}/{bits}"


def address(packed: bytes) -> str:
    """In the form of the module ipaddress, which has no dots in IPv6."""
    family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
    text = socket.inet_ntop(family, packed)
    return str(ipaddress.IPv6Address(packed)) if ":" in text and "." in text else text
