"""``python -m cluster.agent FILE``: an agent's part in the bus, with its store, and no host.

Until SIGTERM, or until it is killed. What it has stored it also writes down, with the time.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from cluster.client import Client, configured, read
from tests.support.fake_host import FakeHost
from tests.support.rig import REGISTRY
from vif_agent.bus import admin, connections
from vif_agent.bus.intake import Intake
from vif_agent.bus.membership import Membership
from vif_agent.bus.notifications import Notifications
from vif_agent.bus.replies import Replies
from vif_agent.bus.report import Report
from vif_agent.daemon.operations import Operations
from vif_agent.daemon.topology import Topology
from vif_agent.ports.store import Store
from vif_agent.reconcile.cleanup import Cleanup
from vif_agent.reconcile.engine import Engine

_LEAVE_SECONDS = 10.0


def membership(conf: Any, client: Client, store: Store, taken: int) -> Membership:
    """``taken``: where to write what has come."""

    def note(port_ids: set[str]) -> None:
        now = time.time()
        os.write(taken, "".join(f"{now:.3f} {port_id}\n" for port_id in port_ids).encode())

    messaging = connections.rpc(conf)
    notifications = Notifications(conf, client.host)
    report = Report(store, notifications, client.host)
    host: Any = FakeHost()
    engine = Engine(store, host, REGISTRY, ready_timeout=0)
    cleanup = Cleanup(engine, conf.cleanup)
    operations = Operations(
        client.host, store, engine, threading.Lock(), REGISTRY, cleanup,
        Topology(host, store, engine.records, cleanup),
    )  # fmt: skip
    calls = admin.Calls(operations, lambda _: None, store, report)
    replies = Replies()
    server = admin.server(messaging, client.host, calls, replies)
    intake = Intake(
        messaging, client.host, store, note, report.refused, lambda _: None, 60.0, report.waiting
    )
    return Membership(messaging, client.host, notifications, report, intake, server, replies)


def main() -> None:
    client = read(sys.argv[1])
    conf = configured(client)
    store = Store(client.store)
    taken = os.open(client.taken, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    member = membership(conf, client, store, taken)
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    threading.Thread(target=_join, args=(member, client), daemon=True).start()
    ended.wait()
    member.leave(_LEAVE_SECONDS)
    store.close()
    os._exit(0)  # threads of the bus may be waiting for a broker that is away


def _join(member: Membership, client: Client) -> None:
    member.join()
    Path(client.directory, "joined").touch()


if __name__ == "__main__":
    main()
