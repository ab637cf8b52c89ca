"""What was skipped and why, for the end of ``scripts/test``: one list of the runs that shared the
suite."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

OPTION = "--skips"


def lines(reports: Iterable[pytest.TestReport]) -> list[str]:
    """A line for each reason of each test function; the parameters are counted."""
    found = Counter((r.nodeid.partition("[")[0], _reason(r)) for r in reports)
    return [f"{test} ({count}): {why}" for (test, why), count in sorted(found.items())]


def append(reports: Iterable[pytest.TestReport], path: Path) -> None:
    with path.open("a") as file:
        file.writelines(f"{line}\n" for line in lines(reports))


def _reason(report: pytest.TestReport) -> str:
    answer = report.longrepr
    text = str(answer[2]) if isinstance(answer, tuple) else str(answer)
    return text.removeprefix("Skipped: ")
