"""Garbage in circles is still found, and what was there at the start is walked over no more."""

import subprocess
import sys

_PROGRAM = """
import gc
import weakref

from vif_agent.daemon import garbage


class Circle:
    def __init__(self):
        self.itself = self


garbage.put_off()
before = Circle()
assert not gc.isenabled()
garbage.begin()
assert all(found is not before for found in gc.get_objects()), "walked over again"

old = [Circle() for _ in range(1000)]
gc.collect()  # by now they are among the oldest
lost = [weakref.ref(one) for one in old]
old.clear()
kept = []
for turn in range(2000):
    kept.append([[] for _ in range(1000)])
    for _ in range(9000):
        Circle()
    if not any(one() for one in lost):
        break
else:
    raise AssertionError("not found")
"""


def test_circles_are_found_also_among_the_oldest() -> None:
    subprocess.run([sys.executable, "-c", _PROGRAM], check=True, timeout=120)
