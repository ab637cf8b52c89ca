"""One agent, in a process forked from one that has all modules already."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
from pathlib import Path
from typing import NoReturn

from oslo_config import cfg

from fleet.host import light
from vif_agent.cmd import agent as command
from vif_agent.daemon import systemd
from vif_agent.daemon.agent import Agent

LOG = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1


def run(config: Path) -> NoReturn:
    """As ``vif-agent --config-file``, from where it has its configuration; there is no helper."""
    status = 1
    try:
        _end_with_parent()
        with (config.parent / "agent.log").open("ab") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        os.environ["NOTIFY_SOCKET"] = str(config.parent.parent / "notify")
        command._configure(["--config-file", str(config)])
        lock = systemd.lock(Path(cfg.CONF.state_path))
        status = command._serve(Agent(cfg.CONF, build=light), lock)
        logging.shutdown()
    except Exception:
        LOG.exception("The agent has not begun")
    finally:
        os._exit(status)


def _end_with_parent() -> None:
    """It has one thread only, so its end is meant, and not that of a thread."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
