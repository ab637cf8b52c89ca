"""What a picture says of a thing, in words that all kinds of pictures print."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from vif_agent.topology import graph
from vif_agent.topology.drawing_up import COMMON, INNER
from vif_agent.topology.graph import Graph, Thing

#: how it is meant: well, under way, wrong, of no interest
GOOD, WAITS, BAD, DIM, NEUTRAL = "good", "waits", "bad", "dim", ""
_TONES = {"ready": GOOD, "error": BAD, "pending": WAITS, "retrying": WAITS}
#: in which device of a port its guest is, or would be
_INNERMOST = ("tap", "macvtap", "vf", "missing", "bridge", "ovs-bridge", "veth", "port")
#: a tag by which Neutron's agent, or we, keep a port's frames in
_DEAD_VLAN = 4095
_NAMED = 4


class Word(NamedTuple):
    """``is_state``: of a port, or of something that is wrong; pictures have a sign for it."""

    text: str
    tone: str = NEUTRAL
    is_state: bool = False


def faces(picture: Graph) -> dict[str, str]:
    """By port, the thing at which its state and its guest are told."""
    found: dict[str, tuple[int, str]] = {}
    for thing in picture.things.values():
        if thing.port:
            rank = (_rank(thing), thing.id)
            found[thing.port] = min(found.get(thing.port, rank), rank)
    return {port: name for port, (_, name) in found.items()}


def _rank(thing: Thing) -> int:
    usual = len(_INNERMOST)
    return _INNERMOST.index(thing.kind) if thing.kind in _INNERMOST else usual


def title(picture: Graph) -> list[Word]:
    """The host, and how its ports are."""
    total = sum(picture.states.values())
    count = "1 port" if total == 1 else f"{total} ports"
    return [Word(f"{picture.host}: {count}"), *_states(picture.states)]


def of_thing(thing: Thing) -> list[Word]:
    """Its name first; without its port's state."""
    return [Word(_name(thing)), *_facts(thing), *_standing(thing)]


def of_port(port: Mapping[str, Any] | None) -> list[Word]:
    """Its state, whose it is, and whether it is guarded."""
    if port is None:
        return []
    state, pairs = port["state"], port["pairs"]
    words = [Word(f"{state} {port['code'] or ''}".strip(), _TONES.get(state, NEUTRAL), True)]
    if guest := port["instance"] or port["instance_uuid"]:
        words.append(Word(guest))
    if pairs is not None:
        words.append(Word(f"guarded ({pairs} pair{'' if pairs == 1 else 's'})"))
    return words


def _name(thing: Thing) -> str:
    if thing.kind == "others":
        names = thing.facts["names"]
        more = ", ..." if len(names) > _NAMED else ""
        return f"{len(names)} not ours: {', '.join(names[:_NAMED])}{more}"
    if thing.kind == "fold":
        return f"{thing.facts['ports']} ports"
    return f"port {thing.name}" if thing.kind == "port" else thing.name


def _facts(thing: Thing) -> Iterator[Word]:
    facts = thing.facts
    yield from (Word(text) for text in _of_kind(thing) if text)
    if "ofport" in facts:
        yield Word(f"ofport {facts['ofport']}")
    if "vlan" in facts:
        yield Word("dead VLAN" if facts["vlan"] == _DEAD_VLAN else f"tag {facts['vlan']}")
    if "physnet" in facts:
        yield Word(facts["physnet"])
    if facts.get("error") and thing.kind != "missing":
        yield Word(facts["error"], BAD, True)
    if facts.get("unattended"):
        yield Word(facts["unattended"], WAITS, True)
    if thing.kind == "fold":
        yield from _states(facts["states"])


def _of_kind(thing: Thing) -> tuple[str, ...]:
    facts, kind = thing.facts, thing.kind
    mtu = str(facts.get("mtu") or "")
    if kind in ("vlan", "vxlan"):
        local = f"from {facts['local']}" if facts.get("local") else ""
        return f"{kind} {facts.get('tag', '')}", mtu, local, _down(facts)
    if kind == "ovs-bridge":
        mode = f"fail_mode {facts['fail_mode']}" if facts.get("fail_mode") else ""
        return f"ovs {facts.get('datapath', '')}".strip(), mode
    if kind == "tap":
        return (_guest(facts),)
    plain: Mapping[str, tuple[str, ...]] = {
        "nic": (_carrier(facts), mtu),
        "bond": ("bond", _carrier(facts), mtu),
        "bridge": ("bridge", mtu, _down(facts)),
        "veth": (_down(facts),),
        "patch": ("patch",),
        "tunnel": (f"tunnel to {facts.get('remote', '')}",),
        "missing": ("no device",),
        "vf": ("VF",),
        "fold": (f"network {facts.get('network') or '-'}",),
        "port": ("nothing on the host",),
        "others": (),
    }
    return plain.get(kind, (kind, _down(facts)))


def _down(facts: Mapping[str, Any]) -> str:
    return "" if facts.get("up", True) else "down"


def _carrier(facts: Mapping[str, Any]) -> str:
    if not facts.get("up"):
        return "down"
    return "up" if facts.get("carrier") else "up, no carrier"


def _guest(facts: Mapping[str, Any]) -> str:
    guest = "guest" if facts.get("guest") else "no guest"
    return f"{'up' if facts.get('up') else 'down'}, {guest}"


def _standing(thing: Thing) -> Iterator[Word]:
    if thing.whose == graph.SHARED:
        yield Word("shared", DIM)
    elif thing.whose == graph.ORPHAN:
        yield Word(_orphan(thing.facts), BAD, True)
    elif thing.whose == graph.OTHERS and thing.kind not in (*COMMON, "patch", "others", INNER):
        yield Word("not ours", DIM)


def _orphan(facts: Mapping[str, Any]) -> str:
    seen = facts.get("sightings")
    words = ["orphan", f"seen {seen} time{'' if seen == 1 else 's'}" if seen else "not seen before"]
    if facts.get("in_use"):
        words.append(f"stays: {facts['in_use']}")
    elif facts.get("due"):
        words.append("due")
    return ", ".join(words)


def _states(states: Mapping[str, int]) -> list[Word]:
    return [
        Word(f"{count} {state}", _TONES.get(state, NEUTRAL), True)
        for state, count in sorted(states.items())
    ]
