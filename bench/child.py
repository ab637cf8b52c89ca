"""A contender's other half in a process of its own: one JSON request a line, one answer each."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence

from bench import usage
from bench.cases import Vif, instance


class Child:
    """The parent's end."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        pipe = subprocess.PIPE
        env = {**os.environ, **(env or {})}
        self._process = subprocess.Popen(command, env=env, stdin=pipe, stdout=pipe, text=True)

    def ask(self, op: str, vifs: Sequence[Vif]) -> float:
        """The seconds that the other half has measured."""
        owned = [vif | {"instance": instance(vif)} for vif in vifs]
        print(json.dumps({"op": op, "vifs": owned}), file=self._process.stdin, flush=True)
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"it ended with {self._process.wait()}, see above")
        return float(json.loads(line)["seconds"])

    def cpu(self) -> float:
        """Seconds, of it and what it has started."""
        return usage.cpu(self._process.pid)

    def close(self) -> None:
        """It ends at the end of its input."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(timeout=30)
