"""nf_tables' messages about our tables. Pure.

No message takes the name of a table, and all are about the family bridge until they are sent ``to``
another of ours: there is none for another's table. Numbers:
linux/netfilter/nfnetlink.h and nf_tables.h.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Literal, NamedTuple

from vif_agent.host.netlink.attributes import raw, text
from vif_agent.host.nft.elements import Element
from vif_agent.host.nft.expressions import (
    DATA_VALUE,
    LIST_ELEMENT,
    big,
    padded,
    written,
)
from vif_agent.host.nft.tables import NAME
from vif_agent.host.nft.wording import in_words
from vif_agent.host.nft.words import BRIDGE, IFNAME, Chain, Family, Rule, Set

NEW_TABLE, GET_TABLE, DELETE_TABLE = 0, 1, 2
NEW_CHAIN, GET_CHAIN, DELETE_CHAIN = 3, 4, 5
NEW_RULE, GET_RULE, DELETE_RULE = 6, 7, 8
NEW_SET, GET_SET, DELETE_SET = 9, 10, 11
NEW_ELEMENT, GET_ELEMENT, DELETE_ELEMENT = 12, 13, 14
NEW_GENERATION, GET_GENERATION = 15, 16
NEW_OBJECT, GET_OBJECT = 18, 19

REQUEST, ACK, DUMP, CREATE, EXCLUSIVE, APPEND = 0x1, 0x4, 0x300, 0x400, 0x200, 0x800
_SUBSYSTEM = 10
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11

#: of a table
DORMANT, OWNER, PERSIST = 1, 2, 4
#: when a frame has come in: prerouting of bridges and of IP, the input of ARP
RECEIVED = 0
ACCEPT = 1
_RANGES, _FILLED_BY_RULES, _CONCATENATED = 0x4, 0x20, 0x80
_MOST_DROPPED = 1 << 16  # what comes then is counted for all, and not for its port
_MOST_AT_ONCE = 300  # elements of a message: an attribute has 64 KiB at most
_COUNTER = 1
_TABLE = text(1, NAME)
#: for nft, which would show them as numbers in its byte order
_NAMES_ARE_TEXT = bytes((0, 4)) + (1).to_bytes(4, "little")


class Message(NamedTuple):
    """``what``: for the text of an error."""

    kind: int
    flags: int
    body: bytes
    what: str = NAME
    family: Family | Literal[0] = BRIDGE

    def with_flag(self, flag: int) -> "Message":
        """The same, and this."""
        return Message(self.kind, self.flags | flag, self.body, self.what, self.family)

    def to(self, family: Family) -> "Message":
        """The same about our table there."""
        return Message(self.kind, self.flags, self.body, self.what, family)

    def encode(self, sequence: int) -> bytes:
        """With its headers, nlmsghdr and nfgenmsg."""
        length, kind = 20 + len(self.body), _SUBSYSTEM << 8 | self.kind
        head = struct.pack("=IHHII", length, kind, self.flags | REQUEST, sequence, 0)
        return head + bytes((self.family, 0, 0, 0)) + self.body


def batch(messages: Sequence[Message], generation: int, commit: bool = True) -> bytes:
    """All or nothing; nothing at all when the generation has passed (0: whichever). Their sequence
    numbers are those of the list, the begin's comes before. Without ``commit`` the kernel only says
    whether it could."""
    begin = raw(1, big(generation)) if generation else b""
    encoded = [m.encode(at) for at, m in enumerate(messages, 1)]
    end = [_edge(_BATCH_END, b"", len(encoded) + 1)] if commit else []
    return b"".join([_edge(_BATCH_BEGIN, begin, 0), *encoded, *end])


def _edge(kind: int, body: bytes, sequence: int) -> bytes:
    head = struct.pack("=IHHII", 20 + len(body), kind, REQUEST, sequence, 0)
    return head + struct.pack("!BBH", 0, 0, _SUBSYSTEM) + body


# -- written -------------------------------------------------------------------------------------


def new_table(comment: str, flags: int) -> Message:
    """Or the one that is there, taken over with these flags."""
    described = raw(6, _comment(comment)) if comment else b""
    return Message(NEW_TABLE, CREATE, _TABLE + raw(2, big(flags)) + described)


def delete_table() -> Message:
    """With all that is in it."""
    return Message(DELETE_TABLE, 0, _TABLE)


def new_counter(reason: str, packets: int, octets: int) -> Message:
    """It goes on from there."""
    counted = raw(1, big(octets, 8)) + raw(2, big(packets, 8))
    body = _TABLE + text(2, reason) + raw(3, big(_COUNTER)) + raw(4, counted)
    return Message(NEW_OBJECT, CREATE, body, f"counter {reason}")


def new_set(which: Set, number: int) -> Message:
    """``number``: its own in this batch."""
    numbers = zip((3, 4, 5), form_of(which), strict=True)
    body = _TABLE + text(2, which.name) + b"".join(raw(kind, big(n)) for kind, n in numbers)
    body += raw(9, _description(which))
    if which.types == (IFNAME,):
        body += raw(13, _NAMES_ARE_TEXT)
    return Message(NEW_SET, CREATE, body + raw(10, big(number)), f"set {which.name}")


def form_of(which: Set) -> tuple[int, int, int]:
    """Flags, types and length of a key: as the kernel shows them, too."""
    alone = len(which.types) == 1
    length = sum(t.length if alone else len(padded(bytes(t.length))) for t in which.types)
    kinds = 0
    for one in which.types:
        kinds = kinds << 6 | one.number
    return _flags(which), kinds, length


def delete_set(name: str) -> Message:
    """With its elements; no rule may look it up any longer."""
    return Message(DELETE_SET, 0, _TABLE + text(2, name), f"set {name}")


def new_chain(chain: Chain) -> Message:
    """Empty."""
    body = _TABLE + text(3, chain.name)
    if chain.hooked:
        hook = raw(1, big(RECEIVED)) + raw(2, big(chain.hooked))
        body += raw(4, hook) + raw(5, big(ACCEPT)) + text(7, "filter")
    return Message(NEW_CHAIN, CREATE, body, f"chain {chain.name}")


def delete_chain(name: str) -> Message:
    """No rule may lead there any longer."""
    return Message(DELETE_CHAIN, 0, _TABLE + text(3, name), f"chain {name}")


def delete_rules(chain: str) -> Message:
    """All that it has, if any."""
    return Message(DELETE_RULE, 0, _TABLE + text(2, chain), f"rules of {chain}")


def new_rule(chain: str, rule: Rule) -> Message:
    """As the chain's last; nft shows offsets where it cannot know the protocol, hence the words."""
    body = _TABLE + text(2, chain) + raw(4, written(rule)) + raw(7, _comment(in_words(rule)))
    return Message(NEW_RULE, CREATE | APPEND, body, f"rule of {chain}")


def new_elements(elements: Iterable[Element]) -> Iterator[Message]:
    """An element that is there already is well."""
    return _about_elements(NEW_ELEMENT, CREATE, elements)


def delete_elements(elements: Iterable[Element]) -> Iterator[Message]:
    """Each must be there."""
    return _about_elements(DELETE_ELEMENT, 0, elements)


def _flags(which: Set) -> int:
    many = _CONCATENATED if which.ranges else 0
    return many | which.ranges * _RANGES | which.counts * _FILLED_BY_RULES


def _description(which: Set) -> bytes:
    size = raw(1, big(_MOST_DROPPED)) if which.counts else b""
    lengths = [raw(LIST_ELEMENT, raw(1, big(t.length))) for t in which.types]
    return size + (raw(2, b"".join(lengths)) if which.ranges else b"")


def _about_elements(kind: int, flags: int, elements: Iterable[Element]) -> Iterator[Message]:
    by_set: dict[str, list[bytes]] = {}
    for element in elements:
        by_set.setdefault(element.set, []).append(_element(element))
    for name, packed in sorted(by_set.items()):
        head, rest = _TABLE + text(2, name), iter(packed)
        while some := b"".join(islice(rest, _MOST_AT_ONCE)):
            yield Message(kind, flags, head + raw(3, some), f"set {name}")


def _element(element: Element) -> bytes:
    said = raw(1, raw(DATA_VALUE, element.key))
    if element.end:
        said += raw(10, raw(DATA_VALUE, element.end))
    if element.comment:
        said += raw(6, _comment(element.comment))
    if element.counter:
        said += raw(7, element.counter)
    return raw(LIST_ELEMENT, said)


def _comment(comment: str) -> bytes:
    """As nft writes it: type, length, text."""
    said = comment.encode() + b"\0"
    return bytes((0, len(said))) + said


# -- asked --------------------------------------------------------------------------


def get_tables() -> Message:
    """Of each family, all: one that is not there would be an error."""
    return Message(GET_TABLE, DUMP, b"", family=0)


def get_chains() -> Message:
    """Of all tables of the family."""
    return Message(GET_CHAIN, DUMP, b"")


def get_rules() -> Message:
    """Ours, chain by chain, in their order."""
    return Message(GET_RULE, DUMP, text(1, NAME))


def get_sets() -> Message:
    """Ours, without what is in them."""
    return Message(GET_SET, DUMP, _TABLE)


def get_elements(which: Set) -> Message:
    """All of one set."""
    return Message(GET_ELEMENT, DUMP, _TABLE + text(2, which.name))


def get_counters() -> Message:
    """The named ones."""
    return Message(GET_OBJECT, DUMP, _TABLE + raw(3, big(_COUNTER)))


def get_generation() -> Message:
    """Of this network namespace's nf_tables: it counts the batches."""
    return Message(GET_GENERATION, 0, b"", family=0)
