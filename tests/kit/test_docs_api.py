"""docs/api.md has every state and every error code, once, and no other document explains one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.test_links import DOCUMENTS, ROOT
from vif_agent import errors
from vif_agent.ports import port

API = Path("docs/api.md")
STATES = {port.PENDING, port.READY, port.RETRYING, port.ERROR, port.UNPLUGGED, "refused"}
#: what is told with a code of one class, and yet otherwise: see the row
BOTH = {"plugin_failed", "internal"}


def classes(base: type[errors.VifAgentError]) -> Iterator[type[errors.VifAgentError]]:
    yield base
    for kind in base.__subclasses__():
        yield from classes(kind)


OURS = [kind for kind in classes(errors.VifAgentError) if kind.__module__ == errors.__name__]
CODES = {kind.code for kind in OURS}
AGAIN = {
    code: "both"
    if code in BOTH
    else "yes"
    if any(kind.transient for kind in OURS if kind.code == code)
    else "no"
    for code in CODES
}


def rows(document: Path) -> list[list[str]]:
    """The cells of all tables, but for their heads."""
    lines = [line for line in (ROOT / document).read_text().splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def table(heading: str) -> list[list[str]]:
    section = (ROOT / API).read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    named = set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))
    return [row for row in rows(API) if row[0].strip("`") in named]


def test_states_are_explained() -> None:
    assert sorted(row[0] for row in table("States")) == sorted(f"`{state}`" for state in STATES)
    assert all(len(row) == 3 and all(row) for row in table("States"))


def test_error_codes_are_explained() -> None:
    found = table("Error codes")
    assert sorted(row[0] for row in found) == sorted(f"`{code}`" for code in CODES)
    assert {row[0].strip("`"): row[1] for row in found} == AGAIN
    assert all(len(row) == 4 and all(row) for row in found)


@pytest.mark.parametrize("document", [path for path in DOCUMENTS if path != API], ids=str)
def test_nowhere_else(document: Path) -> None:
    known = {f"`{word}`" for word in STATES | CODES}
    assert [row for row in rows(document) if row[0] in known] == []
