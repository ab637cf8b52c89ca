"""What a process with native threads does not import."""

import subprocess
import sys
from importlib import metadata

_PROGRAM = """
import sys
from vif_agent.cmd import concurrency

concurrency.native_threads()
import vif_agent.daemon.agent, vif_agent.helper.process

print(*{name.partition(".")[0] for name, module in sys.modules.items() if module})
"""


def test_with_native_threads_nobody_imports_what_is_not_used() -> None:
    words = [sys.executable, "-c", _PROGRAM]
    ran = subprocess.run(words, check=True, capture_output=True, text=True)
    imported = set(ran.stdout.split())
    assert imported >= {"vif_agent", "oslo_messaging", "futurist", "ovs"}
    privsep = tuple(map(int, metadata.version("oslo.privsep").split(".")[:2]))
    needs_it = privsep <= (3, 10)  # where this fails, nothing is left out, and all goes on
    assert imported.isdisjoint({"hypothesis"} if needs_it else {"eventlet", "dns", "hypothesis"})
