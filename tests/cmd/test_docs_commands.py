"""Each ``vif-agentctl …`` in the documents is one that the program takes, and does something.
So does README's first cast."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.kit.test_links import DOCUMENTS, ROOT
from tests.support.casting import Site, Vif
from tests.support.operating import CTL
from vif_agent.cmd.ctl.app import Ctl
from vif_agent.testing import processes
from vif_agent.testing.daemon import HOST
from vif_agent.testing.host import ScratchHost

OPERATIONS = Path("docs/operations.md")
#: run, block by block or command by command, by tests of their own
ELSEWHERE = {Path("docs") / name for name in ("plugins.md", "vif-types.md", "why.md")}
_LINE = re.compile(r"^ *(?:[#$] )?(vif-agentctl [-a-z].*)$", re.MULTILINE)
_IN_PROSE = re.compile(r"`vif-agentctl(?: |\n *)([^`]*)`")
#: what stands for something of the reader's
PORT = "5e4179f1-1b8a-50fe-b6c7-9b1415e8b1d4"
STANDS_FOR = {"PORT": PORT, "HOST": "compute-1", "FILE": "vif.json", "VIF.json": "vif.json"}


class Typed(NamedTuple):
    """``whole``: a line to be typed as it is, and not the mention of a command."""

    document: Path
    words: tuple[str, ...]
    whole: bool

    def __str__(self) -> str:
        return f"{self.document}: {' '.join(self.words)}"


def _typed(document: Path) -> Iterator[Typed]:
    text = (ROOT / document).read_text()
    for line in _LINE.findall(text):
        yield Typed(document, _words(line.removeprefix("vif-agentctl ")), True)
    for mention in _IN_PROSE.findall(text):
        if "…" not in mention:  # what the agent's log says
            yield Typed(document, _words(mention), False)


def _words(line: str) -> tuple[str, ...]:
    """Without the comment, the pipe and the redirection."""
    command = re.split(r" +# |\s[|>]", line.replace("\\|", "|"))[0]
    return tuple(STANDS_FOR.get(word, word) for word in shlex.split(command))


TYPED = sorted({each for document in DOCUMENTS for each in _typed(document)})
LINES = [each for each in TYPED if each.whole and each.document not in ELSEWHERE]
COMMANDS = {tuple(name.split()) for name, _ in Ctl().command_manager}


def _parse(words: tuple[str, ...]) -> str:
    """By the program's own parsers; what they say against it, or nothing."""
    app, said = Ctl(), io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        try:
            options, rest = app.parser.parse_known_args(words)
            if not rest:
                return ""
            factory, name, arguments = app.command_manager.find_command(rest)
            factory(app, options).get_parser(name).parse_args(arguments)
        except (SystemExit, ValueError) as error:
            return "" if getattr(error, "code", 1) == 0 else said.getvalue() or str(error)
    return ""


def _names_one(words: tuple[str, ...]) -> bool:
    """A command, or several that begin so, with nothing after it."""
    named = tuple(word for word in words if not word.startswith("-"))
    return any(command[: len(named)] == named for command in COMMANDS)


@pytest.mark.parametrize("typed", TYPED, ids=str)
def test_is_taken(typed: Typed) -> None:
    complaint = _parse(typed.words)
    assert not complaint or (not typed.whole and _names_one(typed.words)), complaint


def test_nothing_else_is() -> None:
    assert len(TYPED) > 60
    assert "unrecognized" in _parse(("list", "--everything"))
    assert _parse(("lits",))
    assert not _names_one(("lits",))


def test_table_has_every_command() -> None:
    section = (
        (ROOT / OPERATIONS).read_text().partition("\n## vif-agentctl\n")[2].partition("\n## ")[0]
    )
    first_cells = " ".join(re.findall(r"^\| (.*?) \| ", section.replace(r"\|", "/"), re.MULTILINE))
    spans = [span.split() for span in re.findall(r"`([^`]+)`", first_cells)]
    named = {(word, *rest[:1]) for first, *rest in spans for word in first.split("/")}
    alternatives = {(first, each) for first, *rest in named for each in "".join(rest).split("/")}
    shown = {(first,) for first, *_ in named} | alternatives
    assert COMMANDS - {("complete",), ("help",)} <= shown


@pytest.fixture(scope="module")
def site(scratch_with_bus: ScratchHost) -> Iterator[Site]:
    with Site(scratch_with_bus, "threading") as running:
        yield running


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the files that the documents name."""
    where: Path = tmp_path_factory.mktemp("here")
    vif = json.loads((ROOT / "examples/payloads/ovs_hybrid.json").read_text())
    for name, content in (("vif", vif), ("vifs", [vif])):
        (where / f"{name}.json").write_text(json.dumps(content))
    return where


def test_lines_do_something(site: Site, directory: Path, payload: Callable[[str], Vif]) -> None:
    """On a host with two ports: they end with 0, or 1 for what the answer says."""
    ports = [payload("ovs_hybrid"), payload("ovs_create_tap")]
    for vif in ports:
        site.plug(vif)
    for words in sorted({each.words for each in LINES}):
        if words[0] == "watch" or "svg" in words:
            continue  # it ends at Ctrl-C; it takes a program that need not be here
        command = (CTL, "--config-file", str(site.daemon.config_file), *words)
        script = 'cd "$1"; shift; "$@" || [ $? = 1 ]'
        processes.run(("sh", "-c", script, "sh", str(directory), *command), {})
    assert [site.port(vif)["state"] for vif in ports] == ["ready", "ready"]


def test_first_cast(site: Site, payload: Callable[[str], Vif]) -> None:
    """README's, to the agent of another name, with its configuration where it is."""
    readme = (ROOT / "README.md").read_text()
    (script,) = re.findall(r"^```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    here = {
        '"/etc/vif-agent/vif-agent.conf"': repr(str(site.daemon.config_file)),
        "socket.gethostname()": repr(HOST),
    }
    for theirs, ours in here.items():
        assert theirs in script
        script = script.replace(theirs, ours)
    run = 'cd "$1"; exec "$2" -W ignore -c "$3"'
    answer = processes.run(("sh", "-c", run, "sh", str(ROOT), sys.executable, script), {})
    port = ast.literal_eval(answer)
    assert (port["port_id"], port["state"]) == (payload("ovs_create_tap")["id"], "ready")
