"""The index of claims says what a look through all records would."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from vif_agent.ports.port import ERROR, PENDING, PLUG, READY, RETRYING, Port, Spec
from vif_agent.reconcile.claims import Claims, claim
from vif_agent.resources import LINK, OVS_BRIDGE, Key

BRIDGE = Key(OVS_BRIDGE, "br-int")
KEYS = [BRIDGE, *(Key(LINK, name) for name in ("tap-a", "tap-b", "br"))]
IDS = [f"port-{number}" for number in range(5)]


def port(port_id: str, seq: int = 1, since: int = 1, state: str = READY) -> Port:
    ready_at = 1.0 if state == READY else None
    return Port(
        port_id=port_id, seq=seq, since=since, verb=PLUG, generation=1,
        spec=Spec("null", "null"), vif_type="ovs", request_id="", received_at=0.0, state=state,
        ready_at=ready_at,
    )  # fmt: skip


ports = st.builds(
    port,
    st.sampled_from(IDS),
    st.integers(0, 9),
    st.integers(0, 3),
    st.sampled_from([PENDING, READY, RETRYING, ERROR]),
)
changes = st.lists(
    st.tuples(ports, st.frozensets(st.sampled_from(KEYS)), st.booleans(), st.booleans()),
    max_size=30,
)


@given(changes)
def test_index_after_any_changes_is_that_of_what_stands(
    changes: list[tuple[Port, frozenset[Key], bool, bool]],
) -> None:
    claims, stands = Claims(), {}
    for asked, keys, failed_permanently, goes in changes:
        made = None if goes else claim(asked, keys, failed_permanently)
        claims.put(asked.port_id, made)
        stands[asked.port_id] = made
    for index in (claims, claims.copy()):
        for key in KEYS:
            there = [c for c in stands.values() if c and key in c.keys]
            by_right = sorted(there, key=lambda c: c.precedence)
            assert [*index.claimants(key)] == [c.precedence[-1] for c in by_right]
            assert index.claimed(key) == bool(there)
            last = max(there, key=lambda c: c.turn, default=None)
            ends = {by_right[0].precedence[-1], last.turn[-1]} if last else set()
            assert index.first_and_last(key) == ends
            assert index.refused([key]) == {c.precedence[-1] for c in there if c.may_retry}
    assert {i: claims.of(i) for i in IDS if claims.of(i)} == {
        i: c.keys for i, c in stands.items() if c and c.keys
    }


def test_copy_is_apart() -> None:
    claims = Claims()
    mine = claim(port("a"), frozenset({BRIDGE}), failed_permanently=False)
    claims.put("a", mine)
    other = claims.copy()
    other.put("b", mine._replace(precedence=(False, False, 1, "b"), turn=(1, "b")))
    assert ([*claims.claimants(BRIDGE)], [*other.claimants(BRIDGE)]) == (["a"], ["a", "b"])
    assert other.first_and_last(BRIDGE) == {"a", "b"}
    other.put("a", None)
    other.put("b", None)
    assert claims.claimed(BRIDGE)
    assert not other.claimed(BRIDGE)


def test_bad_cast_for_an_old_port_takes_nothing_from_one_that_is_ready() -> None:
    claims = Claims()
    old, good = port("old", since=1, state=ERROR), port("good", since=2)
    for one in (old, good, dataclasses.replace(good, port_id="new", since=3, ready_at=None)):
        claims.put(one.port_id, claim(one, frozenset({BRIDGE}), failed_permanently=False))
    assert [*claims.claimants(BRIDGE)] == ["good", "new", "old"]


def test_what_stays_claimed_is_claimed_all_the_while() -> None:
    """Another thread asks meanwhile whether a change concerns anybody."""
    claims, seen = Claims(), list[bool]()

    class Watched(frozenset[Key]):
        def __iter__(self) -> Iterator[Key]:
            seen.append(claims.claimed(BRIDGE))
            return super().__iter__()

    for state in (PENDING, READY):
        claims.put("a", claim(port("a", state=state), Watched({BRIDGE}), failed_permanently=False))
    assert seen == [False, True, True]
