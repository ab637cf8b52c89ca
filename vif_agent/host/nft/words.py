"""What a rule can say. Pure.

A rule is a tuple of words: conditions, which must all hold, and last what is done with the frame.
One that looks at something which the frame does not have (it is too short, or a later fragment,
which has no ports) does not hold. So what may pass is always what is listed.
"""

import dataclasses
from typing import Final, Literal, NamedTuple, TypeAlias

#: of frames that a linux bridge's port receives; of the host's own IPv4 and IPv6; of its ARP
Family: TypeAlias = Literal[7, 1, 3]
BRIDGE: Final = 7
INET: Final = 1
ARP: Final = 3
FAMILIES: tuple[Family, ...] = (BRIDGE, INET, ARP)


class Type(NamedTuple):
    """Of a value: by what number `nft` knows how to print it, and its length in bytes."""

    number: int
    length: int


IFNAME, MAC, ETHERTYPE_NUMBER = Type(41, 16), Type(9, 6), Type(10, 2)
IP4, IP6 = Type(7, 4), Type(8, 16)


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    """Something of a frame, ``called`` so: ``offset`` bytes into the part ``base`` there are
    ``length`` bytes."""

    called: str
    base: str
    offset: int
    length: int


DEVICE = Field("device", "device", 0, 16)  # that the frame has come in by
PROTOCOL = Field("protocol", "protocol", 0, 1)  # the innermost, behind all headers of IPv6

SOURCE_MAC = Field("source MAC", "ethernet", 6, 6)
ETHERTYPE = Field("ethertype", "ethernet", 12, 2)  # of a frame with a VLAN tag: the tag's

ARP_FORM = Field("ARP form", "network", 0, 6)
ARP_OPERATION = Field("operation", "network", 6, 2)
ARP_SENDER_MAC = Field("sender MAC", "network", 8, 6)
ARP_SENDER = Field("sender", "network", 14, 4)
ARP_TARGET = Field("target", "network", 24, 4)

IP4_FRAGMENT = Field("fragment", "network", 6, 2)
IP4_SOURCE = Field("source", "network", 12, 4)
IP4_DESTINATION = Field("destination", "network", 16, 4)

IP6_SOURCE = Field("source", "network", 8, 16)
IP6_FRAGMENT = Field("fragment", "fragment header", 2, 2)

FROM_PORT = Field("from port", "transport", 0, 2)
TO_PORT = Field("to port", "transport", 2, 2)
ICMP6_TYPE = Field("ICMPv6 type", "transport", 0, 1)
ND_TARGET = Field("target", "transport", 8, 16)


@dataclasses.dataclass(frozen=True, slots=True)
class Set:
    """Values of ``types``, side by side. ``ranges``: of the last one, from and to. ``counts``: it
    is filled by rules, and counts for each."""

    name: str
    types: tuple[Type, ...]
    ranges: bool = False
    counts: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Is:
    """``mask``: these bits of it."""

    field: Field
    value: bytes
    mask: bytes = b""


@dataclasses.dataclass(frozen=True, slots=True)
class IsNot:
    """As ``Is``; what is not there at all is no other value either."""

    field: Field
    value: bytes
    mask: bytes = b""


@dataclasses.dataclass(frozen=True, slots=True)
class IsThere:
    """The frame has it."""

    field: Field


@dataclasses.dataclass(frozen=True, slots=True)
class In:
    """The fields, side by side, are in the set."""

    set: Set
    fields: tuple[Field, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class NotIn:
    """They are there, and not in the set."""

    set: Set
    fields: tuple[Field, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Drop:
    """For this reason, by the chain that counts it."""

    reason: str

    @property
    def chain(self) -> str:
        """Of two rules: ``Count`` and ``Discard``."""
        return f"drop_{self.reason}"


@dataclasses.dataclass(frozen=True, slots=True)
class Count:
    """For this reason, and for the device and the reason. Never with anything else in one rule: a
    device's first one takes memory, and without any the kernel leaves out the rest of the rule."""

    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Discard:
    """The frame ends here."""


@dataclasses.dataclass(frozen=True, slots=True)
class Goto:
    """The rest is for this chain to say."""

    chain: str


@dataclasses.dataclass(frozen=True, slots=True)
class Accept:
    """As far as we are concerned: chains of others with a later priority still have a say."""


Condition: TypeAlias = Is | IsNot | IsThere | In | NotIn
Verdict: TypeAlias = Drop | Goto | Accept | Count | Discard
Rule: TypeAlias = tuple[Condition | Verdict, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Chain:
    """``hooked``: frames come here of themselves, when they have been received; by this priority, 0
    for not at all."""

    name: str
    rules: tuple[Rule, ...]
    hooked: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Table:
    """All that there is of it, but for the ports."""

    family: Family
    chains: tuple[Chain, ...]
    sets: tuple[Set, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why frames are dropped: each has a counter of its own."""
        words = (word for chain in self.chains for rule in chain.rules for word in rule)
        return tuple(dict.fromkeys(w.reason for w in words if isinstance(w, Count)))
