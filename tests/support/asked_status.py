"""``vif-agent-status upgrade check`` as an operator runs it, and one of its questions by itself."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import oslo_messaging.opts
from oslo_config import cfg
from oslo_log import log
from oslo_upgradecheck.upgradecheck import Result

from vif_agent import config as options
from vif_agent.bus import transport
from vif_agent.cmd.status.finding import result
from vif_agent.cmd.status.subject import Subject

STATUS = str(Path(sys.executable).parent / "vif-agent-status")
GOOD, WARNING, FAILURE = 0, 1, 2


class Answer(NamedTuple):
    """By question its result and what is said of it."""

    code: int
    results: Mapping[str, int]
    details: Mapping[str, str]

    def well(self) -> bool:
        return not self.code and not any(self.results.values())


def upgrade_check(config: Path, under: Sequence[str] = ()) -> Answer:
    """``under``: the command that runs it."""
    done = subprocess.run(
        (*under, STATUS, "--config-file", str(config), "upgrade", "check", "--json"),
        capture_output=True, text=True, timeout=120, check=False, cwd="/",
    )  # fmt: skip
    assert (done.returncode < 3, done.stderr) == (True, ""), done
    checks = json.loads(done.stdout)["checks"]
    return Answer(
        done.returncode,
        {check["check"]: check["result"] for check in checks},
        {check["check"]: check["details"] or "" for check in checks},
    )


def ask(question: str, config: Path) -> Result:
    """``question``: the name of its module."""
    conf = cfg.ConfigOpts()
    options.register(conf)
    log.register_options(conf)
    for group, declared in oslo_messaging.opts.list_opts():
        conf.register_opts(declared, group)
    for group, defaults in transport.DEFAULTS.items():
        for name, value in defaults.items():
            conf.set_default(name, value, group)
    conf([f"--config-file={config}"], project="vif-agent")
    subject = Subject(conf)
    try:
        module = importlib.import_module(f"vif_agent.cmd.status.{question}")
        return result(module.findings(subject))
    finally:
        subject.close()


def says(question: str, config: Path, code: int) -> str:
    answer = ask(question, config)
    assert answer.code == code, (answer.code, answer.details)
    return answer.details or ""
