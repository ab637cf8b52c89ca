"""What an option of ours may hold, where oslo.config has no type for it."""

import contextlib
import ipaddress
import re
import shlex
from typing import Any

from oslo_config import types

_LEAST_ETHER_TYPE = 0x0600  # below it is a length (IEEE 802.3)
#: the guards say of these more than yes or no
_LOOKED_INTO = {
    0x0800: "IPv4", 0x0806: "ARP", 0x86DD: "IPv6", 0x8035: "RARP",
    0x8100: "802.1Q tags", 0x88A8: "802.1ad tags", 0x9100: "QinQ tags",
}  # fmt: skip
_LONGEST_HOST = 255 - len("vif_agent_admin.")


class Words(types.String):
    """What a shell could split."""

    def __call__(self, value: Any) -> str:
        """ValueError where a quotation has no end."""
        words = str(super().__call__(value))
        shlex.split(words)
        return words


class EtherType(types.String):
    """A protocol's number in an Ethernet header."""

    def __call__(self, value: Any) -> str:
        """As 0x88cc. ValueError says what such a number must be."""
        text = str(super().__call__(value))
        number = int(text, 16) if re.fullmatch(r"0x[0-9A-Fa-f]{1,4}", text) else 0
        if number < _LEAST_ETHER_TYPE:
            raise ValueError("expected a number from 0x0600 to 0xffff")
        if number in _LOOKED_INTO:
            names = ", ".join(_LOOKED_INTO.values())
            raise ValueError(f"expected none of {names}: the guards decide about these")
        return f"0x{number:04x}"


class BusName(types.String):
    """What a queue's name can end in: AMQP has 255 bytes for all of it.

    A word between dots that is * or # stands for any in the binding of a queue: it would get the
    casts of other hosts.
    """

    def __call__(self, value: Any) -> str:
        """ValueError says what a queue's name must be."""
        name = str(super().__call__(value))
        if not name or not name.isprintable():
            raise ValueError("expected a name, of characters that can be printed")
        if len(name.encode()) > _LONGEST_HOST:
            raise ValueError(f"expected {_LONGEST_HOST} bytes at most: queues are named after it")
        if {"*", "#"} & set(name.split(".")):
            raise ValueError("expected no * or # between dots: to the broker that is any name")
        return name


class ListenAddress(types.String):
    """An IP address of this host, and a port."""

    def __call__(self, value: Any) -> str:
        """ValueError says what it must look like."""
        text = str(super().__call__(value))
        host_and_port(text)
        return text


def host_and_port(text: str) -> tuple[str, int]:
    """Of a ``ListenAddress``."""
    host, _, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    with contextlib.suppress(ValueError):
        written = f"[{bare}]" if ipaddress.ip_address(bare).version == 6 else bare
        if host == written and re.fullmatch("[0-9]{1,5}", port) and 0 < int(port) < 1 << 16:
            return bare, int(port)
    raise ValueError("expected an IP address and a port, as 127.0.0.1:9479 or [::]:9479")
