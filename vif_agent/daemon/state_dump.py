"""SIGUSR2: what the agent is at, for whoever looks into one that behaves oddly. Nothing ends.

It goes to stderr, and so to the journal. First come bare stacks of all native threads, by Python's
faulthandler, in the signal's own handler: also where nothing of Python runs any more. Then, from
the thread for signals, all else; what waits for the loop's locks is not asked. No value of a
variable is shown, and no secret option.
"""

import contextlib
import datetime
import faulthandler
import gc
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import Any

from vif_agent.private_names import python

#: the name of a section, and who gives its text
Sections = Mapping[str, Callable[[], str]]


def begin() -> None:
    """To be called when SIGUSR2 has its handler, which still gets it. SIGABRT, by which systemd's
    watchdog ends who hangs, shows the bare stacks, too."""
    faulthandler.enable(all_threads=True)
    faulthandler.register(signal.SIGUSR2, all_threads=True, chain=True)


def write(sections: Sections) -> None:
    """At once, so that no other line comes between. Where nobody reads it, or a disk is full, it is
    lost, and nothing else."""
    with contextlib.suppress(OSError):
        sys.stderr.write(text({**sections, "threads": stacks}))
        sys.stderr.flush()


def text(sections: Sections) -> str:
    """A section that fails says so, and harms no other."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
    parts = [f"== state dump, {now}"]
    for name, told in sections.items():
        try:
            told_now = told()
        except Exception as error:  # it reads what other threads change just now
            told_now = f"cannot be told: {error!r:.200}"
        parts.append(f"== {name}\n{told_now}")
    return "\n".join([*parts, "== end of the state dump\n"])


def lines(values: Mapping[str, Any]) -> str:
    """One each."""
    return "\n".join(f"{name}: {value}" for name, value in values.items())


def stacks() -> str:
    """Where each thread is now: native ones, then green ones."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    native = (_stack(f"{names.get(i, '?')} ({i:#x})", at) for i, at in python.frames().items())
    return "\n".join([*native, *_green()])


def _green() -> Iterator[str]:
    """Of eventlet's, if it is in use: what is older than ``garbage.begin``, gc does not know."""
    library: Any = sys.modules.get("greenlet")
    if library is None:
        return
    found = {id(thing): thing for thing in gc.get_objects() if isinstance(thing, library.greenlet)}
    one = library.getcurrent()
    while one := one.parent:
        found[id(one)] = one
    for each in found.values():
        if each.gr_frame is not None:
            yield _stack(f"green {id(each):#x}", each.gr_frame)


def _stack(name: str, frame: FrameType) -> str:
    return f"-- {name}\n{''.join(traceback.format_stack(frame)).rstrip()}"
