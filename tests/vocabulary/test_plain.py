"""Others' words: no character of theirs controls a log or a terminal."""

from __future__ import annotations

import io
import types
from typing import Any

import pytest

from vif_agent.cmd.ctl import cells
from vif_agent.cmd.ctl.app import Asking
from vif_agent.errors import Conflict, InvalidRequest, VifAgentError, plain

ODD = "a\x1b[2J\r\n\x9b31m\u202e\udcffb"
SHOWN = r"a\x1b[2J\r\n\x9b31m\u202e\udcffb"


def test_plain_text_is_one_printable_line() -> None:
    assert plain(ODD) == SHOWN
    assert plain("häßlich 漢字 — as it is") == "häßlich 漢字 — as it is"
    assert plain("x" * 2000) == "x" * 1000 + "…"


@pytest.mark.parametrize("error", [Conflict(f"{ODD} exists"), InvalidRequest("f", ODD, ODD)])
def test_problem_is_told_in_one_line_that_is_not_endless(error: VifAgentError) -> None:
    assert error.problem.message.isprintable()
    assert len(Conflict("x" * 9999).problem.message) < 2000


def test_cell_and_line_are_plain() -> None:
    assert cells.text({"code": "conflict", "message": ODD}) == f"conflict: {SHOWN}"
    assert cells.text([ODD, None]) == f"{SHOWN}, -"
    out = io.StringIO()
    asking: Any = types.SimpleNamespace(app=types.SimpleNamespace(stdout=out))
    Asking.say(asking, f"one\n{ODD.replace(chr(10), '')}")
    assert out.getvalue() == "one\n" + SHOWN.replace(r"\n", "") + "\n"
