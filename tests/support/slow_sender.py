"""A sender in a process of its own, in either concurrency mode: does as it is told on its stdin.

A line is JSON, [METHOD, {ARGUMENTS}]; so is the answer, [SECONDS, WHAT CAME OF IT].
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

HOST = "here"


class SlowSender:
    """``limit``: the client's own, in seconds."""

    def __init__(self, concurrency: str, url: str, limit: float) -> None:
        self._process = subprocess.Popen(
            (
                sys.executable,
                "-Wignore",
                "-m",
                "tests.support.slow_sender",
                concurrency,
                url,
                str(limit),
            ),
            cwd=Path(__file__).parent.parent.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def send(self, method: str, **arguments: Any) -> tuple[float, str]:
        assert self._process.stdin
        assert self._process.stdout
        print(json.dumps([method, arguments]), file=self._process.stdin, flush=True)
        seconds, outcome = json.loads(self._process.stdout.readline())
        return seconds, outcome


def _main(concurrency: str, url: str, limit: str) -> None:
    if concurrency == "eventlet":
        import eventlet

        eventlet.monkey_patch()
    from vif_agent.bus.api import VifAgentAPI
    from vif_agent.testing.daemon import transport

    api = VifAgentAPI(transport=transport(url), timeout=float(limit))
    for line in sys.stdin:
        method, arguments = json.loads(line)
        begin = time.monotonic()
        try:
            outcome = f"done: {getattr(api, method)({}, HOST, **arguments)}"
        except Exception as error:
            outcome = f"{type(error).__name__}: {error}"
        answer = json.dumps([time.monotonic() - begin, outcome])
        print(answer, flush=True)  # noqa: T201


if __name__ == "__main__":
    _main(*sys.argv[1:])
