"""What the kernel shows of our tables. Pure: the other way round from ``messages``."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from vif_agent.host.netlink.attributes import attributes, each_attribute
from vif_agent.host.nft.elements import Element
from vif_agent.host.nft.expressions import DATA_VALUE, Expression, big, read
from vif_agent.host.nft.messages import ACCEPT, RECEIVED
from vif_agent.host.nft.sets import DROPPED
from vif_agent.host.nft.tables import NAME
from vif_agent.host.nft.words import FAMILIES, Family

_ANONYMOUS = 0x1
_OURS = NAME.encode() + b"\0"


class Table(NamedTuple):
    """``holder``: the socket that alone may change it; 0 for none."""

    family: Family
    comment: str
    flags: int
    holder: int


def table_shown(body: bytes) -> Table | None:
    """None: another's."""
    if not is_ours(body):
        return None
    found = attributes(body, 4)
    comment = _comment_shown(found.get(6, b""))
    return Table(_family(body), comment, _number(found.get(2)), _number(found.get(7)))


class ChainFound(NamedTuple):
    """``hooked``: by which priority where ours are, 0 for not at all; None: elsewhere."""

    name: str
    hooked: int | None


def chain_shown(body: bytes) -> ChainFound | None:
    """None: another table's."""
    if not is_ours(body):
        return None
    found = attributes(body, 4)
    if 4 not in found:
        return ChainFound(_text(found.get(3)), 0)
    hook = attributes(found[4])
    priority = int.from_bytes(hook.pop(2, b""), signed=True)
    as_ours = hook == {1: big(RECEIVED)} and found.get(5) == big(ACCEPT)
    return ChainFound(_text(found.get(3)), priority if as_ours else None)


def set_shown(body: bytes) -> tuple[str, tuple[int, int, int]] | None:
    """Of our table, which was asked for: its name, and its form as ``messages.form_of`` says it.
    None: it has no name of its own, but is a part of a rule."""
    found = attributes(body, 4)
    flags, kinds, length = (_number(found.get(kind)) for kind in (3, 4, 5))
    return None if flags & _ANONYMOUS else (_text(found.get(2)), (flags, kinds, length))


def rule_shown(body: bytes) -> tuple[str, list[Expression]]:
    """Its chain, and what it does."""
    found = attributes(body, 4)
    return _text(found.get(2)), read(found.get(4, b""))


def elements_shown(body: bytes) -> Iterator[Element]:
    """Some of a set's."""
    found = attributes(body, 4)
    family, name = _family(body), _text(found.get(2))
    for _, packed in each_attribute(found.get(3, b"")):
        one = attributes(packed)
        end = _value(one[10]) if 10 in one else b""
        key = _value(one.get(1, b""))
        comment = _comment_shown(one.get(6, b""))
        end = b"" if end == key else end
        yield Element(name, key, end, comment, one.get(7, b""), family)


def counter_shown(body: bytes) -> tuple[str, int, int]:
    """Reason, packets, octets."""
    found = attributes(body, 4)
    counted = attributes(found.get(4, b""))
    return _text(found.get(2)), _number(counted.get(2)), _number(counted.get(1))


def dropped_shown(element: Element) -> tuple[str, str, int]:
    """Device, reason and packets, of the set that the rules fill."""
    counted = attributes(attributes(element.counter).get(2, b""))
    length = DROPPED.types[0].length
    return _text(element.key[:length]), _text(element.key[length:]), _number(counted.get(2))


def generation_shown(body: bytes) -> tuple[int, int, str]:
    """The number, and who has made it: process id and name."""
    found = attributes(body, 4)
    return _number(found.get(1)), _number(found.get(2)), _text(found.get(3))


def is_ours(body: bytes) -> bool:
    """Tables, chains, rules, sets, elements and objects all say it first, in answers and events."""
    return body[0] in FAMILIES and attributes(body, 4).get(1) == _OURS


def _family(body: bytes) -> Family:
    (family,) = (one for one in FAMILIES if one == body[0])
    return family


def permitted_shown(elements: Iterable[Element]) -> frozenset[int]:
    """Ethertypes."""
    return frozenset(int.from_bytes(e.key) for e in elements)


def _comment_shown(data: bytes) -> str:
    """Type 0 is the comment, of a table as of an element."""
    at = 0
    while at + 2 <= len(data):
        kind, length = data[at], data[at + 1]
        if kind == 0:
            return _text(data[at + 2 : at + 2 + length])
        at += 2 + length
    return ""


def _value(data: bytes) -> bytes:
    return attributes(data).get(DATA_VALUE, b"")


def _number(payload: bytes | None) -> int:
    return int.from_bytes(payload or b"")


def _text(payload: bytes | None) -> str:
    return (payload or b"").rstrip(b"\0").decode(errors="replace")
