"""Statements for the cloud's database, by a process of Neutron's venv, which has the client."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from vif_agent.testing import guard

#: a connection for each statement: the database may have been killed since the last
_CODE = """
import json, sys, pymysql
for line in sys.stdin:
    answer = {}
    try:
        with pymysql.connect(unix_socket=sys.argv[1], user="root", database="neutron") as made:
            with made.cursor() as cursor:
                cursor.execute(json.loads(line))
                answer["rows"] = cursor.fetchall()
            made.commit()
    except Exception as error:
        answer["error"] = repr(error)
    print(json.dumps(answer, default=str), flush=True)
"""


class Sql:
    """To be called with a statement; RuntimeError with the client's words."""

    def __init__(self, python: Path, socket: Path) -> None:
        self._process = subprocess.Popen(
            (str(python), "-W", "ignore", "-c", _CODE, str(socket)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        guard.watch(self._process)

    def __call__(self, statement: str) -> list[tuple[str, ...]]:
        """Rows, of a statement that is committed; all values as text."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(statement).encode() + b"\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return [tuple(map(str, row)) for row in answer["rows"]]

    def close(self) -> None:
        """The process ends with its input."""
        self._process.communicate(timeout=60)
