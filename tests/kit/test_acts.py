"""What a plugin does besides answering is its own doing, not that of others in the same process."""

import os
import threading

from vif_agent.testing.purity import acts


def test_what_the_code_does_is_seen() -> None:
    with acts() as seen:
        os.listdir("/")
    assert seen == ["os.listdir('/',)"]


def test_what_another_thread_does_meanwhile_is_not_the_codes_doing() -> None:
    """A bus client of an earlier test may still have threads."""
    begin, done = threading.Event(), threading.Event()

    def other() -> None:
        begin.wait()
        os.listdir("/")
        done.set()

    thread = threading.Thread(target=other)
    thread.start()
    with acts() as seen:
        begin.set()
        done.wait()
    thread.join()
    assert not [act for act in seen if "listdir" in act]
