"""What the programs that try the agent on scratch hosts do first."""

from __future__ import annotations

import logging
import os
import signal
import sys

from vif_agent.testing import netns

_LIBRARIES = ("amqp", "kombu", "oslo", "oslo_messaging")


def leave_the_machine(program: str) -> None:
    """This process is for good in an empty network of its own, and SIGTERM lets it clean up.

    Before there is a thread. Raises SystemExit without root.
    """
    if os.geteuid() != 0:
        sys.exit(f"{program}: run it as root: it makes a network namespace")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    netns.isolate_process()


def quiet_libraries() -> None:
    """Of a broker that is stopped on purpose they would say a lot."""
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.CRITICAL)
