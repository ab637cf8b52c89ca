"""completion/vif-agentctl, for bash: what it knows is from the parsers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from generate import command_line
from generate.command_line import Argument, Command
from generate.template import filled

#: by how --help calls it: what the shell can complete
_KINDS = {
    "CMD": "@command",
    "CONFIG_DIR": "@dir",
    "CONFIG_FILE": "@file",
    "FILE": "@file",
    "LOG_FILE": "@file",
    "PORT": "@port",
}
_BEFORE = "-"  # any command


def text() -> str:
    known = [Command(_BEFORE, "", command_line.everywhere()), *command_line.commands()]
    return filled(
        "vif-agentctl.bash",
        OPTIONS="\n".join(map(_options, known)),
        VALUES="\n".join(line for command in known for line in _values(command)),
        ARGUMENTS="\n".join(line for command in known for line in _argument(command)),
    )


def _options(command: Command) -> str:
    return _entry(command.name, " ".join(flag for a in command.arguments for flag in a.flags))


def _values(command: Command) -> Iterator[str]:
    for argument in command.arguments:
        for flag in argument.flags if argument.wanted else ():
            yield _entry(f"{command.name} {flag}", _kind(argument))


def _argument(command: Command) -> Iterator[str]:
    for argument in command.arguments:
        if not argument.flags:
            yield _entry(command.name, _kind(argument))
            return


def _kind(argument: Argument) -> str:
    return " ".join(argument.choices) or _KINDS.get(argument.wanted.strip("[]"), "@any")


def _entry(key: str, value: str) -> str:
    """Both are names that argparse knows: nothing that the shell would read otherwise."""
    assert re.fullmatch(r"[\w@ -]+", key + value), (key, value)
    return f"    ['{key}']='{value}'"
