"""A process of another environment that is asked: one JSON request a line, one JSON answer each."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

_LAST = 4000  # characters of its log


class Asked:
    """The parent's end. ``log``: the file that is shown when it ends with a question in hand."""

    def __init__(
        self, command: Sequence[str], env: Mapping[str, str] | None = None, log: Path | None = None
    ) -> None:
        self._command, self._env, self._log = command, {**os.environ, **(env or {})}, log

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            self._command, env=self._env, stdin=pipe, stdout=pipe, text=True
        )

    def close(self) -> None:
        """It ends at the end of its input."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def log(self) -> str:
        return self._log.read_text() if self._log and self._log.exists() else ""

    def send(self, op: str, **arguments: Any) -> None:
        """``received`` then waits for what becomes of it."""
        print(json.dumps({"op": op, **arguments}), file=self._process.stdin, flush=True)

    def received(self) -> dict[str, Any]:
        assert self._process.stdout
        if line := self._process.stdout.readline():
            answer: dict[str, Any] = json.loads(line)
            return answer
        status = self._process.wait()
        raise RuntimeError(f"{self._command[1]} ended with {status}:\n{self.log()[-_LAST:]}")
