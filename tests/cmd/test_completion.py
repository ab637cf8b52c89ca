"""completion/vif-agentctl in a real bash: all that the parser takes, and the ports."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from generate import command_line
from generate.files import ROOT
from tests.support.casting import Site
from tests.support.pinned import other_release
from vif_agent.testing.host import ScratchHost

pytestmark = pytest.mark.skipif(bool(other_release("cliff")), reason=other_release("cliff"))

COMPLETION = ROOT / "completion" / "vif-agentctl"
_ASK = """\
source "$1" || exit 1
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_vif_agentctl "$1" "${!#}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""
PORTS = ("5843eca1-e1fe-5bb2-a9c2-8f97bae40c4e", "5e4179f1-1b8a-50fe-b6c7-9b1415e8b1d4")
COMMANDS = command_line.commands()
VALUES = [
    (command.name, argument)
    for command in COMMANDS
    for argument in command.arguments
    if argument.flags and argument.choices
]


def offered(*words: str, program: str = "vif-agentctl", path: str = "") -> set[str]:
    """What Tab offers after these words; bash has split the line."""
    environment = {**os.environ, "PATH": path + os.environ["PATH"]}
    command = ("bash", "--norc", "-c", _ASK, "bash", str(COMPLETION), program, *words)
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=60, env=environment
    )
    assert done.stderr == ""
    return set(done.stdout.split())


def test_every_command_is_offered() -> None:
    first = {command.name.partition(" ")[0] for command in COMMANDS}
    assert offered("") == offered("help", "") == offered("--host", "h", "--local", "") == first
    for word in first:
        more = {c.name.partition(" ")[2] for c in COMMANDS if c.name.startswith(f"{word} ")}
        if more:
            assert offered(word, "") == more
    assert offered("pl") == {"plan", "plugin"}
    assert offered("nonsense", "") == set()


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_option_is_offered(command: command_line.Command) -> None:
    flags = {flag for argument in command.arguments for flag in argument.flags}
    assert offered(*command.name.split(), "-") == flags
    assert offered("--timeout", "3", *command.name.split(), "--h") == {"--help"}


def test_every_option_before_the_command_is_offered() -> None:
    flags = {flag for argument in command_line.everywhere() for flag in argument.flags}
    assert offered("-") == offered("--local", "-") == flags


@pytest.mark.parametrize(("command", "argument"), VALUES)
def test_every_choice_is_offered(command: str, argument: command_line.Argument) -> None:
    flag = argument.flags[-1]
    assert offered(*command.split(), flag, "") == set(argument.choices)
    assert offered(*command.split(), flag, "=", argument.choices[0]) >= {argument.choices[0]}
    assert offered(*command.split(), flag, "=") == set(argument.choices)


def test_files_are_offered(tmp_path: Path) -> None:
    (tmp_path / "vif.json").touch()
    (tmp_path / "more").mkdir()
    start = f"{tmp_path}/"
    assert offered("plan", "plug", start) == {start + "vif.json", start + "more"}
    assert offered("--config-file", start) == {start + "vif.json", start + "more"}
    assert offered("--config-dir", start) == {start + "more"}


@pytest.fixture
def standin(tmp_path: Path) -> Callable[[str], str]:
    """Puts a script in the place of vif-agentctl; answers the beginning of PATH."""

    def place(text: str) -> str:
        script = tmp_path / "vif-agentctl"
        script.write_text(f"#!/bin/sh\n{text}\n")
        script.chmod(0o755)
        return f"{tmp_path}:"

    return place


def test_ports_are_asked_for_as_it_was_said_before(standin: Callable[[str], str]) -> None:
    path = standin(f'echo "$@" >"$0.asked"\nprintf "%s\\n" {" ".join(PORTS)}')
    line = ("--host", "=", "compute-2", "--config-file", "/a b", "show", "5")
    assert offered(*line, path=path) == set(PORTS)
    asked = Path(path.rstrip(":"), "vif-agentctl.asked").read_text()
    assert asked == "--host=compute-2 --config-file /a b --timeout 2 list -f value -c port\n"
    assert offered("repair", "58", path=path) == {PORTS[0]}
    assert offered("topology", "--port", "5e", path=path) == {PORTS[1]}
    assert offered("show", PORTS[0], "5", path=path) == set()


@pytest.mark.parametrize(
    "text", ["echo vif-agentctl: no agent >&2; exit 2", "echo '$(touch made)'; echo '`touch made`'"]
)
def test_nothing_is_offered_nor_run_where_no_ports_are_told(
    text: str, standin: Callable[[str], str], tmp_path: Path
) -> None:
    path = standin(f"cd {tmp_path}\n{text}")
    assert offered("show", "", path=path) == set()
    assert not (tmp_path / "made").exists()


@pytest.fixture
def site(scratch_with_bus: ScratchHost) -> Iterator[Site]:
    with Site(scratch_with_bus, "threading") as running:
        yield running


def test_ports_of_an_agent_are_offered(
    site: Site, payload: Callable[[str], dict[str, Any]]
) -> None:
    vif = payload("tap")
    site.plug(vif)
    program = str(Path(sys.executable).parent / "vif-agentctl")
    file = str(site.daemon.config_file)
    assert offered("--config-file", file, "check", vif["id"][:4], program=program) == {vif["id"]}
    site.unplug(vif)
