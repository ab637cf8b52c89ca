"""What scripts/generate writes is fresh, and says all that it must."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from oslo_config import cfg

from generate.files import FILES, ROOT
from tests.support.pinned import other_release
from vif_agent import config
from vif_agent.nova import options as nova
from vif_agent.testing import processes

#: whose words are in these files; with another release they would have others
_OTHERS = {
    "etc/vif-agent.conf": ("oslo.config", "oslo.log", "oslo.messaging"),
    "completion/vif-agentctl": ("cliff",),
    "man/vif-agent.8": ("oslo.log",),
    "man/vif-agent-status.8": ("oslo.log",),
    "man/vif-agentctl.8": ("cliff",),
}
PAGES = ["man/vif-agent.8", "man/vif-agent-status.8", "man/vif-agentctl.8"]
LINTERS = [("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"), ("mandoc", "-T", "lint")]
CONFIGURATION = "docs/configuration.md"


@pytest.fixture(scope="module")
def fresh() -> dict[str, str]:
    """Made in a process of its own: in ours a test may have changed what oslo.config shows."""
    code = (
        "import json; from generate.files import FILES; "
        "print(json.dumps({name: make() for name, make in FILES.items()}))"
    )
    made = processes.run((sys.executable, "-W", "ignore", "-c", code), {"PYTHONPATH": str(ROOT)})
    texts: dict[str, str] = json.loads(made.splitlines()[-1])
    return texts


@pytest.mark.parametrize("name", FILES)
def test_is_fresh(name: str, fresh: dict[str, str]) -> None:
    if reason := other_release(*_OTHERS.get(name, ())):
        pytest.skip(reason)
    assert (ROOT / name).read_text() == fresh[name], "stale; write it anew: scripts/generate"


def every_option() -> Iterator[tuple[str, cfg.Opt]]:
    groups = [("DEFAULT", config.DEFAULT), *((g.name, o) for g, o in config.GROUPS)]
    for group, options in [*groups, (nova.GROUP, nova.OPTIONS)]:
        yield from ((f"[{group}] {option.name}", option) for option in options)


def test_every_option_has_a_place_and_words() -> None:
    text = (ROOT / CONFIGURATION).read_text()
    for name, option in every_option():
        assert text.count(f"\n### {name}\n") == 1
        assert (option.help or "").endswith("."), name


def test_no_other_document_has_a_row_of_an_option_without_a_link() -> None:
    rows = tuple(f"| `{name}`" for name, _ in every_option())
    documents = [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*/README.md")]
    assert ROOT / CONFIGURATION in documents
    lines = [(path.name, line) for path in documents for line in path.read_text().splitlines()]
    assert [found for found in lines if found[1].startswith(rows)] == []


@pytest.mark.parametrize("linter", LINTERS, ids=lambda linter: linter[0])
@pytest.mark.parametrize("page", PAGES)
def test_man_page_is_clean(page: str, linter: tuple[str, ...]) -> None:
    if not shutil.which(linter[0]):
        pytest.skip(f"{linter[0]} is not installed")
    done = subprocess.run((*linter, ROOT / page), capture_output=True, text=True, check=False)
    said = done.stderr + (done.stdout if linter[0] == "mandoc" else "")
    assert [line for line in said.splitlines() if ": STYLE: " not in line] == []


@pytest.mark.parametrize("page", PAGES)
def test_man_page_has_every_option_that_help_has(page: str) -> None:
    if reason := other_release(*_OTHERS[page]):
        pytest.skip(reason)
    program = Path(sys.executable).parent / Path(page).stem
    shown = subprocess.run((program, "--help"), capture_output=True, text=True, check=True).stdout
    text = (ROOT / page).read_text().replace("\\-", "-")
    former = {"--log-config", "--log_config", "--logdir", "--logfile"}  # of before, still taken
    options, documented = (set(re.findall(r"--[a-z][\w-]*", words)) for words in (shown, text))
    assert options - documented <= former


def test_man_page_has_every_signal() -> None:
    text = (ROOT / "man/vif-agent.8").read_text()
    heard = re.findall(r"signal\.(SIG[A-Z0-9]+):", (ROOT / "vif_agent/cmd/agent.py").read_text())
    assert heard
    assert [signal for signal in heard if signal not in text] == []
