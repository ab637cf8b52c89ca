"""The commands that a document tells its reader to type."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

_PROGRAMS = (
    "apt-get", "ip", "mysql", "openstack", "pip", "rabbitmqctl", "scripts/", "systemctl",
    "neutron-", "nova-", "vif-agent",
)  # fmt: skip
_CODE = re.compile(r"`([^`\n]+)`")
_BLOCK = re.compile(r"^(?: {4}|\t)([^\n]*)$|^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
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
