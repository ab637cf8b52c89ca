"""Debian's Prometheus and promtool: this machine's, or as scripts/prometheus has unpacked them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
RULES = ROOT / "etc" / "prometheus" / "vif-agent.rules.yml"
BOARDS = ROOT / "etc" / "grafana"


def program(name: str) -> str:
    """Its path; the test is skipped where it is missing."""
    unpacked = ROOT / ".prometheus" / "usr" / "bin" / name
    path = str(unpacked) if unpacked.exists() else shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not there: scripts/prometheus unpacks it")
    return path


def promtool(*arguments: str, given: str = "") -> tuple[int, str]:
    """Its exit status, and what it prints."""
    done = subprocess.run(
        (program("promtool"), *arguments), input=given, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def unit_tests(
    directory: Path, tests: list[dict[str, Any]], interval: str = "15s"
) -> tuple[int, str]:
    """Of the rules, as promtool takes them; JSON is YAML."""
    file = directory / "tests.yml"
    tests = [{**test, "interval": interval} for test in tests]
    what = {"rule_files": [str(RULES)], "evaluation_interval": interval, "tests": tests}
    file.write_text(json.dumps(what))
    return promtool("test", "rules", str(file))
