"""What a process with native threads does not import."""

import subprocess
import sys

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
    assert imported.isdisjoint({"eventlet", "dns", "hypothesis"})
