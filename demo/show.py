"""What the operator reads: headings, tables, a line that advances, and what held."""

from __future__ import annotations

import dataclasses
import sys
import textwrap
from collections.abc import Sequence

WIDTH = 100
_BAR = 40
_GAP = "  "


def heading(text: str) -> None:
    print(f"\n== {text} ".ljust(WIDTH + 1, "="))


def note(text: str) -> None:
    print(textwrap.fill(text, WIDTH, initial_indent="  ", subsequent_indent="  "))


def output(command: str, text: str) -> None:
    """A command, and what it printed."""
    print(f"\n  # {command}")
    for line in text.rstrip().splitlines():
        margin = " " * (len(line) - len(line.lstrip()) + 2)
        print(textwrap.fill(line.strip(), WIDTH, initial_indent=margin,
                            subsequent_indent=f"{margin}    ", break_on_hyphens=False))  # fmt: skip


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """The last column is as wide as is left, its text folded."""
    fixed = [max(map(len, column)) for column in zip(header, *rows, strict=True)][:-1]
    left = WIDTH - 2 - sum(fixed) - len(_GAP) * len(fixed)
    print()
    for row in (header, *rows) if any(header) else rows:
        cells = [cell.ljust(width) for cell, width in zip(row, fixed, strict=False)]
        for line in textwrap.wrap(row[-1], left, break_on_hyphens=False) or [""]:
            print(f"  {_GAP.join([*cells, line])}".rstrip())
            cells = [" " * width for width in fixed]


class Progress:
    """One line that advances on a terminal, four lines in a file."""

    def __init__(self, what: str, total: int) -> None:
        self._what, self._total, self._quarter = what, total, 0
        self._terminal = sys.stdout.isatty()

    def show(self, done: int) -> None:
        quarter = done * 4 // self._total
        if not self._terminal and quarter == self._quarter:
            return
        self._quarter = quarter
        bar = ("#" * (done * _BAR // self._total)).ljust(_BAR, ".")
        end = "" if self._terminal and done < self._total else "\n"
        start = "\r" if self._terminal else ""
        print(f"{start}  {self._what} [{bar}] {done}/{self._total}", end=end, flush=True)


@dataclasses.dataclass
class Checks:
    """Says at once whether something held, and remembers what did not."""

    held: int = 0
    failed: list[str] = dataclasses.field(default_factory=list)

    def that(self, what: str, wrong: object) -> None:
        """``wrong``: what contradicts ``what``; nothing, empty or False when it holds."""
        print(textwrap.fill(f"{'FAILED' if wrong else 'ok    '}  {what}", WIDTH,
                            initial_indent="  ", subsequent_indent=" " * 10))  # fmt: skip
        if not wrong:
            self.held += 1
            return
        self.failed.append(what)
        if wrong is not True:
            print(textwrap.shorten(f"          found: {wrong}", 3 * WIDTH))
