"""Words of a rule as nf_tables' expressions, which load into registers and compare. Pure.

``written`` is how the kernel is told, ``read`` what it shows, of which only that counts which says
what the rule does. So one can be compared with the other. Numbers: linux/netfilter/nf_tables.h.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from vif_agent.host.netlink.attributes import attributes, each_attribute, number, raw, text
from vif_agent.host.nft.sets import DROPPED
from vif_agent.host.nft.words import (
    DEVICE,
    Accept,
    Condition,
    Count,
    Discard,
    Drop,
    Field,
    Goto,
    In,
    Is,
    IsNot,
    IsThere,
    NotIn,
    Rule,
    Set,
    Verdict,
)

LIST_ELEMENT, DATA_VALUE = 1, 1
_DATA_VERDICT, _CODE, _CHAIN = 2, 1, 2
_NAME, _DATA = 1, 2
_DROP, _ACCEPT, _GOTO = 0, 1, -4
_EQUAL, _NOT_EQUAL, _AT_LEAST = 0, 1, 5
_INVERTED = 1
_COUNTER_OBJECT = 1
_UPDATE = 1
_IFNAME, _L4PROTO = 6, 16
_FRAGMENT_HEADER = 44
_BASES = {"ethernet": 0, "network": 1, "transport": 2}
_WORD = 4
_REASON_LENGTH = 16
#: by expression the attributes that say what it does; the others are counts and defaults
_TELLING = {
    "meta": (1, 2),
    "payload": (1, 2, 3, 4),
    "exthdr": (1, 2, 3, 4),
    "bitwise": (1, 2, 3, 4, 5),
    "cmp": (1, 2, 3),
    "lookup": (1, 2, 5),
    "immediate": (1, 2),
    "objref": (1, 2),
    "dynset": (1, 3, 4),
}


class Expression(NamedTuple):
    """``attributes`` are packed ones, by their numbers."""

    name: str
    attributes: Mapping[int, bytes]


def big(value: int, size: int = 4) -> bytes:
    """nf_tables' numbers are big-endian."""
    return (value & (1 << 8 * size) - 1).to_bytes(size)


def padded(value: bytes) -> bytes:
    """To whole registers."""
    return value + bytes(-len(value) % _WORD)


def written(rule: Rule) -> bytes:
    """The elements of NFTA_RULE_EXPRESSIONS."""
    return b"".join(map(_packed, compiled(rule)))


def read(expressions: bytes) -> list[Expression]:
    """Of what the kernel shows, to compare with ``compiled``."""
    return [_unpacked(one) for _, one in each_attribute(expressions)]


def compiled(rule: Rule) -> list[Expression]:
    """What ``read`` finds where the rule is as it must be."""
    return [
        Expression(e.name, {n: e.attributes[n] for n in _TELLING[e.name]}) for e in _of_rule(rule)
    ]


def _packed(expression: Expression) -> bytes:
    data = b"".join(raw(kind, payload) for kind, payload in expression.attributes.items())
    if expression.name == "dynset":
        data += _COUNTING
    return raw(LIST_ELEMENT, text(_NAME, expression.name) + raw(_DATA, data))


#: what each element of a set that rules fill has: NFTA_DYNSET_EXPR
_COUNTING = raw(7, text(_NAME, "counter") + raw(_DATA, b""))


def _unpacked(body: bytes) -> Expression:
    found = attributes(body)
    name = found[_NAME].rstrip(b"\0").decode()
    shown = attributes(found.get(_DATA, b""))
    telling = _TELLING.get(name, tuple(shown))
    return Expression(name, {n: shown[n] for n in telling if n in shown})


def _of_rule(rule: Rule) -> Iterator[Expression]:
    for word in rule:
        match word:
            case Is() | IsNot() | IsThere() | In() | NotIn():
                yield from _of_condition(word)
            case _:
                yield from _of_verdict(word)


def _of_condition(word: Condition) -> Iterator[Expression]:
    match word:
        case Is(field, value, mask):
            yield from _compared(field, mask, _EQUAL, value)
        case IsNot(field, value, mask):
            yield from _compared(field, mask, _NOT_EQUAL, value)
        case IsThere(field):
            yield from _compared(field, b"", _AT_LEAST, bytes(field.length))
        case In(among, fields):
            yield from _looked_up(among, fields, 0)
        case NotIn(among, fields):
            yield from _looked_up(among, fields, _INVERTED)


def _of_verdict(word: Verdict) -> Iterator[Expression]:
    match word:
        case Drop():
            yield _verdict(_GOTO, text(_CHAIN, word.chain))
        case Goto(chain):
            yield _verdict(_GOTO, text(_CHAIN, chain))
        case Count(reason):
            yield from _counted(reason)
        case Discard():
            yield _verdict(_DROP)
        case Accept():
            yield _verdict(_ACCEPT)


def _compared(field: Field, mask: bytes, how: int, value: bytes) -> Iterator[Expression]:
    yield _loaded(field, 0)
    if mask:
        length, nothing = big(field.length), raw(DATA_VALUE, bytes(len(mask)))
        masked = {1: _register(0), 2: _register(0), 3: length, 4: raw(DATA_VALUE, mask), 5: nothing}
        yield Expression("bitwise", masked)
    yield Expression("cmp", {1: _register(0), 2: big(how), 3: raw(DATA_VALUE, value)})


def _looked_up(among: Set, fields: tuple[Field, ...], how: int) -> Iterator[Expression]:
    word = 0
    for field in fields:
        yield _loaded(field, word)
        word += len(padded(bytes(field.length))) // _WORD
    yield Expression("lookup", {1: _name(among.name), 2: _register(0), 5: big(how)})


def _counted(reason: str) -> Iterator[Expression]:
    """For all, and for the device: the set's second value is the reason, as if it were a name."""
    yield Expression("objref", {1: big(_COUNTER_OBJECT), 2: _name(reason)})
    yield _loaded(DEVICE, 0)
    value = reason.encode().ljust(_REASON_LENGTH, b"\0")
    yield Expression("immediate", {1: _register(DEVICE.length // _WORD), 2: raw(DATA_VALUE, value)})
    yield Expression("dynset", {1: _name(DROPPED.name), 3: big(_UPDATE), 4: _register(0)})


def _loaded(field: Field, word: int) -> Expression:
    to, length = _register(word), big(field.length)
    match field.base:
        case "device":
            return Expression("meta", {1: to, 2: big(_IFNAME)})
        case "protocol":
            return Expression("meta", {1: to, 2: big(_L4PROTO)})
        case "fragment header":
            header = big(_FRAGMENT_HEADER, 1)
            return Expression("exthdr", {1: to, 2: header, 3: big(field.offset), 4: length})
        case base:
            found = {1: to, 2: big(_BASES[base]), 3: big(field.offset), 4: length}
            return Expression("payload", found)


def _verdict(code: int, chain: bytes = b"") -> Expression:
    said = raw(_DATA_VERDICT, number(_CODE, 0)[:4] + big(code) + chain)
    return Expression("immediate", {1: big(0), 2: said})


def _register(word: int) -> bytes:
    """Of four bytes, sixteen in all; the kernel shows those of each first by their older number."""
    return big(1 + word // 4 if word % 4 == 0 else 8 + word)


def _name(of: str) -> bytes:
    return of.encode() + b"\0"
