"""Seen once is not seen."""

from __future__ import annotations

from vif_agent.reconcile.confirmations import Confirmations


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def _seen(*looks: tuple[float, set[str]], needed: int = 2) -> tuple[int, bool]:
    """What is known of "a" after these looks, each (seconds since the start, what was there)."""
    clock = Clock()
    confirmations = Confirmations(needed, 60, clock)
    for clock.now, there in looks:
        confirmations.update(there)
    return confirmations.count("a"), confirmations.confirmed("a")


def test_once_is_not_enough() -> None:
    assert _seen((0, {"a"})) == (1, False)


def test_twice_an_interval_apart_is() -> None:
    assert _seen((0, {"a"}), (60, {"a", "b"})) == (2, True)


def test_reconciles_within_the_interval_count_once() -> None:
    assert _seen((0, {"a"}), (1, {"a"}), (59, {"a"})) == (1, False)


def test_interval_is_counted_from_the_last_confirmation_that_counted() -> None:
    assert _seen((0, {"a"}), (59, {"a"}), (61, {"a"}), needed=3) == (2, False)


def test_what_was_gone_meanwhile_starts_anew() -> None:
    assert _seen((0, {"a"}), (30, set()), (60, {"a"})) == (1, False)


def test_never_seen_counts_nothing() -> None:
    assert _seen((0, {"b"}), (60, {"b"})) == (0, False)
