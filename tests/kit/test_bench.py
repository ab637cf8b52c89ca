"""What scripts/bench counts, and what it makes of that. How fast anything is no test asks."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from bench import growth, options, usage
from bench.drain import TAKEN_IN, title
from bench.guards_table import Cost, at_least, at_most, guards_table, more_at_most
from bench.link_changes import Events, change, foreign_link
from bench.measure import Figures
from bench.options import arguments
from bench.rooms import Process, Sample, _scaled
from bench.side import merged
from bench.status import multiply
from bench.table import FLOOR, THEIRS
from bench.targets import Measured, targets, targets_table
from bench.tree import OURS

BEFORE = "at 972fe6c"
BURN = "import time\nwhile time.process_time() < {seconds}: pass\n"


def test_cpu_of_a_process_with_its_children_living_and_ended() -> None:
    child = BURN.format(seconds=0.2)
    script = (
        f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {child!r}])\n"
        f"living = subprocess.Popen([sys.executable, '-c', {child + 'input()'!r}],"
        " stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        + BURN.format(seconds=0.2)
        + "print('done', flush=True)\ninput()\nliving.communicate(b'.')"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", script], stdin=pipe, stdout=pipe) as process:
        assert process.stdout
        assert process.stdout.readline() == b"done\n"
        deadline = time.monotonic() + 10
        while (used := usage.cpu(process.pid)) < 0.5 and time.monotonic() < deadline:
            time.sleep(0.01)
        process.communicate(b"\n")
    assert 0.5 <= used < 6  # of 0.6: ended children are counted in ticks
    assert usage.cpu(process.pid) == 0  # it is gone


def test_events_of_links_are_counted(namespace: None) -> None:
    before = Events()
    with foreign_link():
        events = Events()
        change(6)
        assert 6 <= events.close() <= 24
    assert before.close() > 6


def test_rows_of_one_port_become_those_of_many(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with closing(sqlite3.connect(store)) as db, db:
        db.execute("CREATE TABLE ports (port_id TEXT PRIMARY KEY, vif TEXT, at REAL, seq INTEGER)")
        db.execute("CREATE TABLE other (name TEXT)")
        db.execute("INSERT INTO ports VALUES ('abc', ?, 1.23456789012345678, 7)", ['{"id": "abc"}'])
        db.execute("INSERT INTO ports VALUES ('kept', '{}', NULL, 8)")
    multiply(store, "abc", 20)
    with closing(sqlite3.connect(store)) as db:
        rows = db.execute("SELECT * FROM ports WHERE port_id != 'kept'").fetchall()
        assert db.execute("SELECT count(*) FROM other").fetchone() == (0,)
    assert len(rows) == 20
    for port_id, vif, at, seq in rows:
        assert (json.loads(vif), at, seq) == ({"id": port_id}, 1.23456789012345678, 7)


def test_what_a_profile_saw_stands_for_all_that_was_spent() -> None:
    before = [Process("agent", 1.0, [["main", "plan", "f", "json", 0.1]])]
    after = [
        Process(
            "agent", 3.0, [["main", "plan", "f", "json", 0.2], ["main", "bus", "g", "amqp", 0.3]]
        ),
    ]
    assert _scaled(before, after) == pytest.approx(
        {
            Sample("agent", "main", "plan", "f", "json"): 0.5,
            Sample("agent", "main", "bus", "g", "amqp"): 1.5,
        }
    )


def test_of_several_runs_the_median() -> None:
    runs = [{"row": {OURS: value, FLOOR: 1.0}} for value in (5.0, 1.0, 2.0)]
    assert merged(runs) == {"row": {OURS: 2.0, FLOOR: 1.0}}


def figures(plug_rate: float, cpu: float) -> Figures:
    return Figures(plug_rate, 1, 0, 0, 1, 1, 1, 1, cpu, 1)


def test_targets_are_ratios_of_the_same_run() -> None:
    args = arguments([])
    drained = title("tap", 1000, TAKEN_IN)
    cases = {
        "tap": {OURS: figures(400, 2), BEFORE: figures(200, 6), THEIRS: figures(50, 9),
                FLOOR: figures(800, 0.5)},
    }  # fmt: skip
    alone = {
        options.DRAIN: {drained: {OURS: 2.0, BEFORE: 4.0, FLOOR: 1.0}},
        options.GROWTH: {growth.START: {OURS: 1.0, BEFORE: 4.0}},
    }
    measured = Measured(cases, alone, {}, (OURS, BEFORE))
    lines = targets_table(measured, args).splitlines()
    shown = {line[:76].strip(): line[76:].split() for line in lines}
    burst, drain = "burst of 200 plugs against", f"drain of 1000 against tools, since {TAKEN_IN}"
    expected = {
        "CPU against tools, burst of 200: direct with tap": "12.00 4.00 <= 4",
        f"{burst} os-vif: direct with tap": "4.00 8.00 >= 8",
        f"{burst} tools: direct with tap": "0.25 0.50 >= 0.4",
        f"{drain}: direct with tap": "0.25 0.50 >= 0.8 missed",
        "start with 2000 ready ports, to before": "1.00 0.25 <= 0.4",
    }
    assert {row: " ".join(shown[row]) for row in expected} == expected
    assert len({target.title for target in targets(args)}) == len(list(targets(args)))


def test_cost_of_guards_is_beside_what_it_is_to_be() -> None:
    costs = [
        Cost("a burst", 2.0, 2.1, more_at_most(0.05)),
        Cost("another", 2.0, 2.2, more_at_most(0.05)),
        Cost("frames", 1000.0, 899.0, at_least(0.9)),
        Cost("one more", None, 0.9, at_most(1)),
        Cost("read back", None, 1234.5),
    ]
    assert [cost.missed for cost in costs] == [False, True, True, False, False]
    lines = guards_table(costs).splitlines()[1:6]
    assert [line.split()[-4:] for line in lines[:3]] == [
        ["2.10", "+5.0%", "<=", "+5%"],
        ["+10.0%", "<=", "+5%", "missed"],
        ["-10.1%", ">=", "-10%", "missed"],
    ]
    assert lines[3].split() == ["one", "more", "0.90", "<=", "1"]
    assert lines[4].split() == ["read", "back", "1,234"]


def test_agent_that_counts_nothing_still_knows_what_is_called_for_that() -> None:
    """In a process of its own: it takes the counting away."""
    script = "from bench.unseen_side import blind; blind()"
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True, timeout=60)
