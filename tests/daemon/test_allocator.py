"""All threads of the agent take their memory from one heap."""

import subprocess
import sys

_PROGRAM = """
import ctypes
import sys
import threading

from vif_agent.daemon import allocator

if sys.argv[1] == "one":
    allocator.one_heap()
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fdopen.restype = ctypes.c_void_p
libc.malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]
libc.fflush.argtypes = [ctypes.c_void_p]
together = threading.Barrier(4)

def take():
    libc.malloc(1000)
    together.wait(60)

threads = [threading.Thread(target=take) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
out = libc.fdopen(1, b"w")
libc.malloc_info(0, out)
libc.fflush(out)
"""


def _heaps(how: str) -> int:
    words = [sys.executable, "-c", _PROGRAM, how]
    ran = subprocess.run(words, check=True, capture_output=True, text=True, timeout=120)
    return ran.stdout.count("<heap nr=")


def test_threads_share_one_heap() -> None:
    assert _heaps("one") == 1
    assert _heaps("as it is") > 1
