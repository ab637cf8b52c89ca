"""Attributes of netlink messages, packed and unpacked. Pure."""

import struct
from collections.abc import Iterator

_ATTRIBUTE = struct.Struct("=HH").unpack_from
_HEAD = struct.Struct("=HH").pack
_PADDING = (b"", bytes(3), bytes(2), bytes(1))  # by what is over a multiple of four


def text(kind: int, value: str) -> bytes:
    """An attribute that ends with a NUL."""
    return raw(kind, value.encode() + b"\0")


def number(kind: int, value: int, size: int = 4) -> bytes:
    """``size`` in bytes: the kernel checks it."""
    return raw(kind, value.to_bytes(size, "little"))


def raw(kind: int, payload: bytes) -> bytes:
    """One attribute, padded to four bytes; attributes within it are just joined."""
    length = len(payload)
    return _HEAD(length + 4, kind) + payload + _PADDING[length & 3]


def attributes(data: bytes, start: int = 0) -> dict[int, bytes]:
    """The netlink attributes in ``data`` from ``start``: type to payload, the last of a type.

    Not by ``each_attribute``: this is most of what it costs to read a link.
    """
    found, last = {}, len(data) - 4
    while start <= last:
        length, kind = _ATTRIBUTE(data, start)
        found[kind & 0x3FFF] = data[start + 4 : start + length]
        start += (length + 3) & ~3 if length > 4 else 4
    return found


def each_attribute(data: bytes, start: int = 0) -> Iterator[tuple[int, bytes]]:
    """Type and payload, in their order; what is cut off ends it."""
    while start + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, start)
        yield kind & 0x3FFF, data[start + 4 : start + length]
        start += max(4, (length + 3) & ~3)
