"""What the journal makes of stderr: each line has the priority that it was logged with."""

from __future__ import annotations

import logging
import os
import subprocess
from pathlib import Path

from tests.cmd.test_cli import AGENT
from vif_agent.daemon import journal


def written(tmp_path: Path, options: str, name: str = "journal") -> str:
    """By the agent to its stderr, a file that the journal reads, or reads another of."""
    path, other = tmp_path / name, tmp_path / "other"
    config = tmp_path / "vif-agent.conf"
    config.write_text(options)
    with path.open("w") as streams, other.open("w") as elsewhere:
        there = os.fstat((streams if name == "journal" else elsewhere).fileno())
        subprocess.run(
            (AGENT, "--config-file", str(config)),
            stdout=streams,
            stderr=streams,
            env={**os.environ, "JOURNAL_STREAM": f"{there.st_dev}:{there.st_ino}"},
            timeout=60,
            check=False,
        )
    return path.read_text()


def test_refused_start_is_an_error_to_the_journal(tmp_path: Path) -> None:
    wrong = "[vif_agent]\nretry_max = soon\n"
    assert written(tmp_path, wrong).startswith("<3>vif-agent: [vif_agent] retry_max")
    assert written(tmp_path, wrong, "file").startswith("vif-agent: [vif_agent] retry_max")


def test_each_line_of_a_record_is_marked() -> None:
    lines = journal.marked(logging.WARNING, "one\ntwo")
    assert lines == "<4>one\n<4>two"
    levels = (logging.CRITICAL, logging.ERROR, logging.INFO, logging.DEBUG, 25)
    assert [journal.marked(level, "x")[:3] for level in levels] == [
        "<2>",
        "<3>",
        "<6>",
        "<7>",
        "<6>",
    ]


def test_log_of_the_running_agent_is_marked(tmp_path: Path) -> None:
    """It says in its log that its state directory is not there."""
    lines = written(tmp_path, f"[DEFAULT]\nstate_path = {tmp_path}/none\n").splitlines()
    (line,) = [text for text in lines if "Cannot lock" in text]
    assert line.startswith("<2>")
