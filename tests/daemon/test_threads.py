import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import vif_agent
from vif_agent.daemon import threads


@pytest.fixture(autouse=True)
def others() -> Iterator[list[str]]:
    """Ours calls the one before it for threads that are not the agent's own."""
    others: list[str] = []
    hook = threading.excepthook
    threading.excepthook = lambda what: others.append(what.thread.name if what.thread else "")
    yield others
    threading.excepthook = hook


def fails(name: str) -> None:
    thread = threading.Thread(target=lambda: int("none"), name=name)
    thread.start()
    thread.join()


def test_bug_in_a_lasting_thread_is_noticed_and_logged(
    others: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    failures: list[BaseException] = []
    threads.on_failure(failures.append)
    fails("waiters")
    assert [type(error) for error in failures] == [ValueError]
    assert "The thread waiters has met a bug" in caplog.text
    assert "ValueError" in caplog.text
    assert not others


def test_bug_in_a_thread_of_somebody_else_is_left_to_him(others: list[str]) -> None:
    failures: list[BaseException] = []
    threads.on_failure(failures.append)
    fails("amqp-heartbeat")
    assert (failures, others) == ([], ["amqp-heartbeat"])


def test_names_are_those_of_real_threads() -> None:
    """A thread that gets another name is to be missed here."""
    source = "".join(p.read_text() for p in Path(vif_agent.__path__[0]).rglob("*.py"))
    assert set(re.findall(r'name="([a-z-]+)"', source)) >= threads._LASTING
