from __future__ import annotations

import threading

from vif_agent.tally import OTHER, Durations, Tally


def test_counts_by_labels() -> None:
    tally = Tally()
    tally.add("plug", "ok")
    tally.add("plug", "ok", by=2)
    tally.add("plug", "conflict")
    assert tally.read() == {("plug", "ok"): 3, ("plug", "conflict"): 1}


def test_a_bound_belongs_to_what_is_up_to_it() -> None:
    durations = Durations((1, 2))
    for seconds in (0.5, 1, 1.5, 2, 2.5, 100):
        durations.observe(seconds, "plug")
    assert {k: tuple(v) for k, v in durations.read().items()} == {("plug",): ([2, 2, 2], 107.5)}


def test_a_bug_in_labels_fills_no_memory() -> None:
    tally, durations = Tally(), Durations()
    for number in range(2000):
        tally.add(str(number), "x")
        durations.observe(1, str(number))
    tally.add("7", "x")
    assert (len(tally.read()), len(durations.read())) == (501, 501)
    assert tally.read()["7", "x"] == 2
    assert tally.read()[OTHER, OTHER] == 1500


def test_nothing_is_lost_between_threads_and_a_reader_sees_whole_numbers() -> None:
    tally, durations = Tally(), Durations()

    def count() -> None:
        for _ in range(2000):
            tally.add("a")
            durations.observe(0.1, "a")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        spread = durations.read().get(("a",))
        assert spread is None or sum(spread.counts) <= 8000
    assert tally.read() == {("a",): 8000}
    assert sum(durations.read()["a",].counts) == 8000
