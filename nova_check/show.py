"""The verdicts in print."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from nova_check.allowed import Allowed
from nova_check.compare import Difference
from nova_check.verdict import Verdict

_HEAD = ("thing", "field", "os-vif", "agent", "after", "in docs/nova.md as")
_WIDEST = 38


def verdict(seen: Verdict) -> None:
    print(f"\n== {seen.case.title}: {seen.word}", flush=True)
    if seen.case.legacy:
        print("     nova's own work; the agent is not asked")
    if seen.said:
        print("     " + " ".join(seen.said.split()))
    if seen.found:
        table([_HEAD, *_merged(seen.found)])
    for line in seen.wrong:
        print(f"   WRONG: {line}")


def _merged(found: list[tuple[Difference, Allowed | None]]) -> list[tuple[str, ...]]:
    """One line for what is the same after several steps."""
    steps: dict[tuple[str, ...], list[str]] = {}
    listed: dict[tuple[str, ...], str] = {}
    for difference, allowed in found:
        key = (difference.thing, difference.field, difference.osvif, difference.agent)
        steps.setdefault(key, []).append(difference.step)
        listed[key] = allowed.listed if allowed else "NOT LISTED"
    return [(*key, ", ".join(after), listed[key]) for key, after in steps.items()]


def table(rows: list[tuple[str, ...]]) -> None:
    rows = [tuple(_short(cell) for cell in row) for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("     " + "  ".join(cells).rstrip())


def _short(text: str) -> str:
    text = text or "''"
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


def total(verdicts: Iterable[Verdict], complaints: list[str]) -> None:
    counted = Counter(seen.word for seen in verdicts)
    print("\n" + "; ".join(f"{count} {word}" for word, count in counted.items()))
    for complaint in complaints:
        print(f"WRONG: {complaint}")
