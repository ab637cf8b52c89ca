"""The real agent and its sender in one process, as the bus kombu+memory:// asks.

``python -m demo.inprocess SOCKET --config-file FILE``: the set-up is that of vif_agent.cmd.agent;
the sender takes its orders, (method, arguments), from the socket.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from multiprocessing.connection import Connection, Listener

from oslo_config import cfg
from oslo_log import log

from vif_agent import config
from vif_agent.bus import transport
from vif_agent.bus.api import VifAgentAPI
from vif_agent.daemon import signals
from vif_agent.daemon.agent import Agent
from vif_agent.helper import process
from vif_agent.helper.allowed import Allowed


def main() -> None:
    path, *arguments = sys.argv[1:]
    config.register(cfg.CONF)
    log.register_options(cfg.CONF)
    transport.set_defaults(cfg.CONF)
    cfg.CONF(arguments, project="vif-agent")
    log.setup(cfg.CONF, "vif-agent")
    process.start(Allowed.from_conf(cfg.CONF))
    agent = Agent(cfg.CONF)
    signals.listen({signal.SIGTERM: agent.stop, signal.SIGINT: agent.stop})
    orders = Listener(path)
    threading.Thread(target=_send, args=(orders,), name="sender", daemon=True).start()
    agent.run()
    logging.shutdown()
    os._exit(0)


def _send(orders: Listener) -> None:
    api = VifAgentAPI(cfg.CONF)
    with orders.accept() as demo:
        while True:
            try:
                method, arguments = demo.recv()
            except EOFError:
                return
            _answer(demo, api, method, arguments)


def _answer(demo: Connection, api: VifAgentAPI, method: str, arguments: dict[str, object]) -> None:
    try:
        demo.send((getattr(api, method)({}, cfg.CONF.host, **arguments), None))
    except Exception as error:
        logging.getLogger(__name__).exception("%s", method)
        demo.send((None, f"{method}: {error!r}"))


if __name__ == "__main__":
    main()
