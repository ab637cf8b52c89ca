"""``vif-agent-neutron`` where Neutron is not: it is installed on compute nodes, too."""

from __future__ import annotations

import subprocess
import sys

import pytest

WITHOUT = """
import sys
sys.modules[sys.argv.pop(1)] = None
from vif_agent.neutron.adoption.command import main
main()
"""


def run_without(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT, module, *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("arguments", [["prepare"], ["adopt", "one"]])
def test_it_says_in_a_line_what_to_install(arguments: list[str]) -> None:
    done = run_without("sqlalchemy", *arguments)
    (line,) = done.stderr.splitlines()
    assert line.startswith("vif-agent-neutron: sqlalchemy is not installed here: ")
    assert "pip install '.[neutron]'" in line
    assert (done.returncode, done.stdout) == (2, "")


def test_it_has_help_all_the_same() -> None:
    done = run_without("sqlalchemy", "--help")
    assert done.returncode == 0
    assert "adopt" in done.stdout
