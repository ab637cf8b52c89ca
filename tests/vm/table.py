"""What ran on which kernel, and what was skipped and why: from the JUnit files of some runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

LIFE = "tests.vm.test_life"  # of which each test is a step, and has a row


class Row(NamedTuple):
    kernel: str
    what: str
    result: str
    seconds: int


def rows(kernel: str, results: Path) -> list[Row]:
    """One for each module, or step of a life; and one for each reason why something was skipped."""
    ran: dict[str, Counter[str]] = {}
    seconds: Counter[str] = Counter()
    skipped: dict[str, Counter[str]] = {}
    for case in ElementTree.parse(results).getroot().iter("testcase"):
        what, why = _what(case), _why_skipped(case)
        (skipped if why else ran).setdefault(what, Counter())[why or _result(case)] += 1
        seconds[what] += round(float(case.get("time", 0)))
    return [
        *(Row(kernel, what, _listed(counts), seconds[what]) for what, counts in ran.items()),
        *(
            Row(kernel, what, f"{count} skipped: {why}", 0)
            for what, reasons in skipped.items()
            for why, count in reasons.items()
        ),
    ]


def text(rows: Iterable[Row]) -> str:
    lines = [("kernel", "what", "seconds", "result")]
    lines += [(r.kernel, r.what, str(r.seconds) if r.seconds else "", r.result) for r in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(3)]
    return "\n".join(
        "  ".join(
            (*(word.ljust(width) for word, width in zip(line, widths, strict=False)), line[3])
        )
        for line in lines
    )


def _what(case: ElementTree.Element) -> str:
    name = case.get("classname", "")
    if name == LIFE:
        return case.get("name", "").removeprefix("test_").replace("_", " ")
    return "/".join(part for part in name.split(".") if not part.startswith("Test"))


def _why_skipped(case: ElementTree.Element) -> str:
    skipped = case.find("skipped")
    return "" if skipped is None else skipped.get("message", "") or "no reason"


def _result(case: ElementTree.Element) -> str:
    bad = case.find("failure") is not None or case.find("error") is not None
    return "FAILED" if bad else "passed"


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {result}" for result, count in sorted(counts.items()))
