"""When each port becomes ACTIVE, as Neutron's database has it: asking Neutron would be work for it.

Run as a program, by Neutron's python: it prints `ID SECONDS` for each, by this machine's clock.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Self

#: the database works for it a fiftieth of the time at most
SHARE = 50
SHORTEST = 0.01  # seconds between two questions
_ACTIVE = "SELECT id FROM ports WHERE status = 'ACTIVE' AND id NOT IN (SELECT id FROM seen)"


class Watch:
    """``python`` is one that has pymysql."""

    def __init__(self, python: Path, database: Path) -> None:
        self._argv = (str(python), "-W", "ignore", __file__, str(database))
        self._seen: dict[str, float] = {}
        self._changed = threading.Condition()

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        threading.Thread(target=self._read, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()

    def wait(self, ports: list[str], timeout: float) -> dict[str, float]:
        """When each was ACTIVE first: seconds of time.monotonic()."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while missing := [port for port in ports if port not in self._seen]:
                if not self._changed.wait(max(0.0, deadline - time.monotonic())):
                    raise TimeoutError(f"{len(missing)} of {len(ports)} ports are not ACTIVE")
            return {port: self._seen[port] for port in ports}

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            port, when = line.split()
            with self._changed:
                self._seen[port] = float(when)
                self._changed.notify_all()


def main() -> None:
    import pymysql  # type: ignore[import-not-found,import-untyped,unused-ignore]

    connection = pymysql.connect(
        unix_socket=sys.argv[1], user="root", database="neutron", autocommit=True
    )
    ended = threading.Event()
    threading.Thread(target=_wait_for_end, args=(ended,), daemon=True).start()
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE seen (id VARCHAR(36) PRIMARY KEY)")
        while not ended.is_set():
            began = time.monotonic()
            _look(cursor)
            ended.wait(max(SHORTEST, SHARE * (time.monotonic() - began)))


def _wait_for_end(ended: threading.Event) -> None:
    sys.stdin.read()
    ended.set()


def _look(cursor: Any) -> None:
    cursor.execute(_ACTIVE)
    if found := cursor.fetchall():
        now = time.monotonic()
        for (port,) in found:
            print(port, now, flush=True)
        cursor.executemany("INSERT INTO seen VALUES (%s)", found)


if __name__ == "__main__":
    main()
