"""What `status` costs an agent that remembers very many ports which were unplugged."""

from __future__ import annotations

import sqlite3
import sys
import time
import uuid
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from bench.agent_side import Agent, agent
from bench.cases import CASES
from bench.check import Host
from bench.place import Place
from bench.sender import HOST
from bench.side import Rows, joined
from bench.tree import Tree

CASE = CASES["tap"]
QUESTIONS = 20
REST = 1.0  # seconds
TABLES = "SELECT name FROM sqlite_master WHERE type = 'table'"


def title(rows: int) -> str:
    return f"status with {rows} unplugged ports, CPU ms"


def measure(here: Place, trees: Sequence[Tree], count: int) -> Rows:
    """``count``: ports that are remembered, for a week."""
    rows: Rows = {}
    for tree in trees:
        print(f"  status, {count} unplugged ports: {tree.label}", file=sys.stderr, flush=True)
        with agent(here, tree) as before:
            vifs, host = CASE.vifs(1), Host(here.db)
            before.plug(vifs)
            before.unplug(vifs)
            host.drain(CASE, vifs)
            config = before.daemon.config
        multiply(config.with_name("vif-agent.sqlite"), vifs[0]["id"], count)
        with agent(here, tree, config) as ours:
            joined(rows, tree.label, {title(count): _status(ours)})
    return rows


def _status(ours: Agent) -> float:
    ours.sender.api.get_status({}, HOST)
    time.sleep(REST)
    begin = ours.cpu()
    for _ in range(QUESTIONS):
        ours.sender.api.get_status({}, HOST)
    return (ours.cpu() - begin) * 1000 / QUESTIONS


def multiply(store: Path, port_id: str, count: int) -> None:
    """The rows of this port in all tables, again and again, as those of other ports."""
    others = [(port_id, str(uuid.uuid4())) for _ in range(count - 1)]
    with closing(sqlite3.connect(store)) as db, db:
        for (table,) in db.execute(TABLES).fetchall():
            columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
            if "port_id" in columns:
                values = (
                    f"iif(typeof({column}) = 'text', replace({column}, ?1, ?2), {column})"
                    for column in columns
                )
                written = ", ".join(values)
                copy = f"INSERT INTO {table} SELECT {written} FROM {table} WHERE port_id = ?1"
                db.executemany(copy, others)
