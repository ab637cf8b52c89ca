"""A real Prometheus on the scratch host, with the rules in a hurry."""

from __future__ import annotations

import contextlib
import json
import os
import re
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Self

from tests.support.prometheus import RULES, program
from vif_agent.testing import processes

_CONFIGURATION = """
global:
  scrape_interval: 1s
  scrape_timeout: 1s
  evaluation_interval: 1s
rule_files: ['{rules}']
scrape_configs:
  - job_name: vif-agent
    static_configs:
      - targets: ['127.0.0.1:{agent}', '127.0.0.1:{other}']
"""


def hurried(rules: str) -> str:
    """The same alerts, sooner: only for how long, and over how long, never how much. A window of a
    quarter of an hour is a minute, in which an agent starts three times on a busy machine too."""
    sooner = re.sub(r"\[([0-9]+)m\]", lambda minutes: f"[{int(minutes[1]) * 4}s]", rules)
    return re.sub(r"for: \w+", "for: 2s", sooner)


class Prometheus:
    """``agent``, ``other``: the ports of two targets."""

    def __init__(self, directory: Path, port: int, agent: int, other: int) -> None:
        self._directory, self._port = directory, port
        directory.mkdir()
        rules = directory / "rules.yml"
        rules.write_text(hurried(RULES.read_text()))
        text = _CONFIGURATION.format(rules=rules, agent=agent, other=other)
        (directory / "prometheus.yml").write_text(text)
        self._process: processes.Process | None = None

    def __enter__(self) -> Self:
        self._process = processes.start(
            (
                program("prometheus"),
                f"--config.file={self._directory / 'prometheus.yml'}",
                f"--storage.tsdb.path={self._directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{self._port}",
            ),
            os.environ,
            self._directory / "log",
        )
        processes.wait_until(self._is_ready, "prometheus", self._process, 60)
        return self

    def __exit__(self, *_: object) -> None:
        processes.end(self._process, timeout=20)

    def _is_ready(self) -> bool:
        with contextlib.suppress(OSError):
            return self._get("/-/ready") is not None
        return False

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=20) as answer:
            return bytes(answer.read())

    def ask(self, expression: str) -> list[float]:
        """Its values now."""
        query = urllib.parse.urlencode({"query": expression})
        answer: dict[str, Any] = json.loads(self._get(f"/api/v1/query?{query}"))
        return [float(sample["value"][1]) for sample in answer["data"]["result"]]

    def firing(self) -> dict[str, str]:
        """Alerts that are, each with its summary."""
        alerts = json.loads(self._get("/api/v1/alerts"))["data"]["alerts"]
        return {
            alert["labels"]["alertname"]: alert["annotations"]["summary"]
            for alert in alerts
            if alert["state"] == "firing"
        }
