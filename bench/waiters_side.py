"""Senders who wait, each in a thread, for ports that do not come: started by bench.waiters.

By oslo.messaging itself, for the client of vif_agent has thirty calls at once. Who is told at once,
for too many wait already, asks again half a second later, as that client does. It says so when each
has asked, and ends at the end of its input.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import uuid
from typing import Any

import oslo_messaging

from bench.sender import HOST, configured
from vif_agent import bus

LONGEST = 300.0
PAUSE = 0.5


def wait(client: Any, asked: threading.Semaphore) -> None:
    question = {"port_id": str(uuid.uuid4()), "generation": None, "timeout": LONGEST}
    while True:
        begin = time.monotonic()
        asked.release()
        client.call({}, "wait_vif", **question)
        time.sleep(max(0.0, begin + PAUSE - time.monotonic()))


def main() -> None:
    logging.disable(logging.WARNING)  # of which one is that thirty connections are taken
    url, count = sys.argv[1], int(sys.argv[2])
    messaging = oslo_messaging.get_rpc_transport(configured(), url=url)
    target = oslo_messaging.Target(exchange=bus.EXCHANGE, topic=bus.ADMIN_TOPIC, server=HOST)
    client = oslo_messaging.get_rpc_client(messaging, target).prepare(timeout=int(LONGEST))
    asked = threading.Semaphore(0)
    for _ in range(count):
        threading.Thread(target=wait, args=(client, asked), daemon=True).start()
    for _ in range(count):
        asked.acquire()
    print("asked", flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
