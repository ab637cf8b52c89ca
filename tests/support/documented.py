"""The commands that a document tells its reader to type."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

_PROGRAMS = (
    "apt-get", "ip", "mysql", "openstack", "pip", "rabbitmqctl", "scripts/", "systemctl",
    "neutron-", "nova-", "vif-agent",
)  # fmt: skip
_CODE = re.compile(r"`([^`\n]+)`")
_BLOCK = re.compile(r"^(?: {4}|\t)([^\n]*)$|^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_SHELL = re.compile(
    r"^```(?:sh|bash)?\n(?P<fenced>.*?)^```|(?P<indented>(?:^ {4,}[^\n]*\n)+)|`(?P<word>[^`\n]+)`",
    re.MULTILINE | re.DOTALL,
)
_OTHER_LANGUAGE = re.compile(r"^```\w+\n.*?^```", re.MULTILINE | re.DOTALL)
_HERE_DOCUMENT = re.compile(r"<<'(\w+)'")
_COMMENT = re.compile(r"\s+# .*$")


def commands(document: Path) -> list[str]:
    """In the order of the text, each once, without comments; from blocks and from `code` that has
    more than a program's name."""
    text = document.read_text()
    blocks = "\n".join(one or more for one, more in _BLOCK.findall(text))
    lines = [*blocks.splitlines(), *_CODE.findall(_BLOCK.sub("", text))]
    return list(dict.fromkeys(_typed(lines)))


def _typed(lines: list[str]) -> Iterator[str]:
    for line in lines:
        command = _COMMENT.sub("", line.strip()).removeprefix("$ ")
        program, _, rest = command.partition(" ")
        if rest and not rest.startswith("=") and program.startswith(_PROGRAMS):
            yield command


def section(text: str, title: str) -> str:
    """What stands below "## title"."""
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def steps(text: str) -> list[str]:
    """All that is to be typed, in the order of the text, each as it is typed in one go: with the
    lines that it goes on in, and without comments. From `code` only what is one of our programs,
    or one that installs, with arguments."""
    found: list[str] = []
    for match in _SHELL.finditer(_OTHER_LANGUAGE.sub("", text)):
        if word := match["word"]:
            found += [word] if _is_command(word) else []
        else:
            found += _joined(textwrap.dedent(match["fenced"] or match["indented"]).splitlines())
    return [_COMMENT.sub("", one) for one in found]


def _is_command(word: str) -> bool:
    program, _, rest = word.partition(" ")
    return bool(rest) and program.startswith((*_PROGRAMS, "apt", "/opt/", "ovs-vsctl"))


def _joined(lines: list[str]) -> Iterator[str]:
    """A line that ends with a backslash, or has a here-document, with those that belong to it."""
    rest = iter(lines)
    for line in rest:
        command = [line]
        while command[-1].endswith("\\"):
            command.append(next(rest))
        if document := _HERE_DOCUMENT.search(line):
            while command[-1] != document[1]:
                command.append(next(rest))
        if command != [""]:
            yield "\n".join(command)
