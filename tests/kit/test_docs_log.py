"""docs/log.md has each line that operators are to act on, and no line that nobody writes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import vif_agent

SOURCE = Path(vif_agent.__file__).parent
DOCUMENT = SOURCE.parent / "docs" / "log.md"

LEVELS = {
    "warning": "WARNING",
    "error": "ERROR",
    "exception": "ERROR",
    "critical": "CRITICAL",
    "log": "by case",  # a level that is worked out
}
_PLACE = re.compile(r"%[-#0-9.]*[a-z]")
_ROW = re.compile(
    r"\| (?P<level>[A-Za-z ]+) \| `(?P<line>[^`]+)` \| (?P<means>.+) \| (?P<do>.+) \|"
)


def written() -> set[tuple[str, str]]:
    """By the code: level and words, with … for what is filled in. vif-agentctl has no log."""
    return {
        line
        for path in sorted(SOURCE.rglob("*.py"))
        if not {"testing", "ctl"} & {*path.relative_to(SOURCE).parts}
        for line in lines_of(path.read_text())
    }


def lines_of(source: str) -> Iterator[tuple[str, str]]:
    tree = ast.parse(source)
    constants = {
        node.targets[0].id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="LOG"), attr=attr)) if (
                attr in LEVELS
            ):
                words = _words(node.args[1 if attr == "log" else 0], constants)
                yield LEVELS[attr], _PLACE.sub("…", words)


def _words(node: ast.expr, constants: Mapping[str, ast.expr]) -> str:
    node = constants.get(node.id, node) if isinstance(node, ast.Name) else node
    assert isinstance(node, ast.Constant), ast.unparse(node)
    return str(node.value)


def listed() -> list[tuple[str, str]]:
    """By the document's tables."""
    return [(row["level"], row["line"]) for row in _ROW.finditer(DOCUMENT.read_text())]


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ('LOG.warning("%s of %d: %r", a, b, c)', ("WARNING", "… of …: …")),
        ('LOG.exception("a " "b")', ("ERROR", "a b")),
        ('WHAT = "%g s"\nLOG.critical(WHAT, 1)', ("CRITICAL", "… s")),
        ('LOG.log(level, "x")', ("by case", "x")),
    ],
)
def test_lines_of_a_source_are_found(source: str, line: tuple[str, str]) -> None:
    assert list(lines_of(source)) == [line]
    assert list(lines_of(source.replace("LOG", "other"))) == []


def test_document_lists_what_the_code_writes() -> None:
    code, document = written(), listed()
    assert sorted(code - set(document)) == [], "in the code, and not in docs/log.md"
    assert sorted(set(document) - code) == [], "in docs/log.md, and not in the code"
    assert len(document) == len(set(document)), "listed twice"


def test_no_line_is_without_words_of_its_own() -> None:
    """Such a line could not be looked up."""
    assert [line for line in written() if not re.search(r"[a-zA-Z]{3}", line[1])] == []
