"""vif-agent whose table of guards is held by nobody, as before Linux 6.9: others can flush it.

    python -m tests.support.unheld_agent --config-file FILE

Else as `vif_agent.cmd.agent` starts it, with native threads.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from oslo_config import cfg
from oslo_log import log

from vif_agent import config
from vif_agent.bus import transport
from vif_agent.daemon import allocator, garbage, systemd
from vif_agent.daemon.agent import Agent
from vif_agent.helper import process
from vif_agent.helper.allowed import Allowed
from vif_agent.host import heard


def main() -> None:
    allocator.one_heap()
    config.register(cfg.CONF)
    log.register_options(cfg.CONF)
    transport.set_defaults(cfg.CONF)
    cfg.CONF(sys.argv[1:], project="vif-agent")
    log.setup(cfg.CONF, "vif-agent")
    lock = systemd.lock(Path(cfg.CONF.state_path))
    events = heard.opened(cfg.CONF)
    garbage.begin()
    process.start(Allowed.from_conf(cfg.CONF), hold=False)
    agent = Agent(cfg.CONF, events)
    signal.signal(signal.SIGTERM, lambda *_: agent.stop())
    agent.run()
    del lock


if __name__ == "__main__":
    main()
