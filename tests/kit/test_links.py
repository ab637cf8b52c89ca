"""Every link in the documents leads to a file, or a heading of one, that is there."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
DOCUMENTS = sorted(
    path.relative_to(ROOT)
    for pattern in ("*.md", "docs/*.md", "examples/**/*.md", "findings/*.md")
    for path in ROOT.glob(pattern)
)
_FENCED = re.compile(r"^( *)```.*?^\1```", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"^    .*$", re.MULTILINE)
_CODE = re.compile(r"`[^`\n]+`")
_LINK = re.compile(r"\]\(\s*([^)\s]+)\s*\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)


def prose(path: Path) -> str:
    """Without examples: what looks like a link or a heading there is none."""
    return _INDENTED.sub("", _FENCED.sub("", (ROOT / path).read_text()))


def slug(heading: str) -> str:
    """As Git's hosts name a heading's anchor."""
    shown = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", shown).replace(" ", "-")


@functools.cache
def anchors(path: Path) -> frozenset[str]:
    counted: dict[str, Iterator[int]] = {}
    found = set()
    for name in map(slug, _HEADING.findall(prose(path))):
        again = next(counted.setdefault(name, itertools.count()))
        found.add(f"{name}-{again}" if again else name)
    return frozenset(found)


def broken(document: Path) -> list[str]:
    wrong = []
    for link in _LINK.findall(_CODE.sub("", prose(document))):
        if re.match(r"[a-z]+:", link):
            continue  # a place elsewhere
        file, _, anchor = link.partition("#")
        target = (ROOT / document.parent / file).resolve() if file else ROOT / document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            wrong.append(link)
    return wrong


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_links_lead_somewhere(document: Path) -> None:
    assert broken(document) == []


def test_links_are_found() -> None:
    """Else nothing is checked."""
    links = [link for path in DOCUMENTS for link in _LINK.findall(prose(path))]
    assert len(links) > 50
    assert len([link for link in links if "#" in link]) > 30
    assert slug("After Neutron's `brq…`, and [more](x.md)") == "after-neutrons-brq-and-more"


def test_every_document_is_linked_and_installed() -> None:
    """A page that nobody links is a page that nobody finds."""
    linked = {
        (ROOT / path.parent / link.partition("#")[0]).resolve()
        for path in DOCUMENTS
        for link in _LINK.findall(prose(path))
        if link.partition("#")[0]
    }
    pages = {path for path in (ROOT / "docs").iterdir() if path.suffix in (".md", ".svg")}
    assert pages <= linked
    installed = (ROOT / "setup.cfg").read_text().split()
    assert {f"docs/{path.name}" for path in pages} <= set(installed)
