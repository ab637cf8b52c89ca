"""vif-agent and its sender in one process, for the in-process bus: started by MemoryAgent.

The daemon's own start-up, with the loop in a thread instead of the main one. Both sides share one
interpreter lock, which is worse for the figures than a real broker between two processes.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading

from oslo_config import cfg

from bench.sender import Sender
from vif_agent import config
from vif_agent.bus import transport
from vif_agent.daemon.agent import Agent
from vif_agent.helper import process
from vif_agent.helper.allowed import Allowed


def start(file: str) -> Sender:
    config.register(cfg.CONF)
    transport.set_defaults(cfg.CONF)
    cfg.CONF(["--config-file", file], project="vif-agent")
    process.start(Allowed.from_conf(cfg.CONF))
    threading.Thread(target=Agent(cfg.CONF).run, daemon=True).start()
    return Sender(cfg.CONF.transport_url, cfg.CONF)


def main() -> None:
    logging.disable(logging.WARNING)
    sender = start(sys.argv[1])
    for line in sys.stdin:
        request = json.loads(line)
        work = sender.plug if request["op"] == "plug" else sender.unplug
        print(json.dumps({"seconds": work(request["vifs"])}), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
