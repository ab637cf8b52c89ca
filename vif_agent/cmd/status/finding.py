"""What a question finds, and what follows for the whole."""

from collections.abc import Iterable
from typing import NamedTuple

from oslo_upgradecheck.upgradecheck import Code, Result


class Finding(NamedTuple):
    """``words``: with what is to be done about it."""

    code: Code
    words: str


def good(words: object) -> Finding:
    """Nothing is to be done."""
    return Finding(Code.SUCCESS, str(words))


def warning(words: object) -> Finding:
    """The agent starts and works; somebody is to look at this."""
    return Finding(Code.WARNING, str(words))


def failure(words: object) -> Finding:
    """The agent does not start, or ports that it has had it can have no longer."""
    return Finding(Code.FAILURE, str(words))


def result(findings: Iterable[Finding]) -> Result:
    """The worst counts, and comes first; what is good is said only where all is."""
    found = sorted(findings, key=lambda one: -one.code)
    worst = found[0].code if found else Code.SUCCESS
    said = [one.words for one in found if one.code or not worst]
    numbered = [f"({number}) {words}" for number, words in enumerate(said, 1)]
    return Result(worst, " ".join(numbered if len(said) > 1 else said) or None)
