"""A time limit for what has none: which threads it takes."""

from __future__ import annotations

import os
import threading
import warnings

import pytest

from vif_agent.bus.limits import Limits, TimeOver


def test_who_sends_one_after_the_other_needs_one_thread() -> None:
    limits = Limits()
    assert len({limits.within(10, threading.get_ident) for _ in range(100)}) == 1


def test_what_is_left_behind_holds_up_no_other() -> None:
    limits, over = Limits(2), threading.Event()
    with pytest.raises(TimeOver):
        limits.within(0.05, over.wait)
    assert limits.within(10, lambda: "sent") == "sent"
    with pytest.raises(TimeOver):
        limits.within(0.05, over.wait)
    with pytest.raises(TimeOver):  # both places are taken
        limits.within(0.05, lambda: "sent")
    over.set()
    assert limits.within(10, lambda: "sent") == "sent"


def test_error_of_what_is_sent_is_the_callers() -> None:
    limits = Limits()
    for error in (ValueError, TimeoutError):
        with pytest.raises(error, match="its own"):
            limits.within(10, lambda error=error: _raise(error))  # type: ignore[misc]
    assert limits.within(10, lambda: "sent") == "sent"


def _raise(error: type[Exception]) -> None:
    raise error("its own")


def test_process_that_was_forked_sends_too() -> None:
    """Its parent's threads are not there."""
    limits = Limits()
    assert limits.within(10, lambda: "sent") == "sent"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads
        child = os.fork()
    if child == 0:
        os._exit(0 if limits.within(10, lambda: "sent") == "sent" else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
