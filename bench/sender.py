"""The sender's side of the bus: casts out, notifications in."""

from __future__ import annotations

import datetime
import logging
import threading
import time
from collections.abc import Sequence
from typing import Any

import kombu
import oslo_messaging
from oslo_config import cfg

from bench.cases import Vif, instance
from vif_agent import bus
from vif_agent.bus.api import VifAgentAPI

HOST = "bench"
PATIENCE = 20.0  # seconds for the next port to be done


class Ends:
    """The endpoint of the notifications: notes when each port was done."""

    def __init__(self) -> None:
        self._news = threading.Condition()
        self._missing: set[str] = set()
        self._event = ""
        self._last = 0.0
        self._taken_in = ""
        self._error: str | None = None

    def expect(self, event: str, vifs: Sequence[Vif]) -> None:
        with self._news:
            self._event, self._error, self._taken_in = event, None, ""
            self._missing = {vif["id"] for vif in vifs}

    def wait(self, patience: float = PATIENCE) -> float:
        """When the last one was done, by time.perf_counter(). ``patience``: for the next."""
        with self._news:
            while self._missing and not self._error:
                before = len(self._missing)
                if not self._news.wait(patience) and len(self._missing) == before:
                    self._error = f"{before} ports not done, none for {patience} s"
            if self._error:
                raise RuntimeError(f"vif-agent: {self._error}")
            return self._last

    def since_taken_in(self) -> float:
        """Seconds from when the agent had the first of the casts to the end of the last port."""
        taken_in = datetime.datetime.fromisoformat(self._taken_in).timestamp()
        return self._last - time.perf_counter() + time.time() - taken_in

    def info(self, _context: Any, _from: str, event: str, payload: Any, _meta: Any) -> None:
        now = time.perf_counter()
        with self._news:
            if event == self._event and payload["port_id"] in self._missing:
                self._missing.discard(payload["port_id"])
                self._last = now
                received = payload["received_at"]
                self._taken_in = min(self._taken_in or received, received)
                if not self._missing:
                    self._news.notify()

    def error(self, _context: Any, _from: str, event: str, payload: Any, _meta: Any) -> None:
        if not payload["error"]["transient"]:
            with self._news:
                self._error = f"{event}: {payload['error']['message']}"
                self._news.notify()


class Sender:
    """What nova-compute would do: cast, and hear of the result."""

    def __init__(self, url: str, conf: Any = None) -> None:
        conf = conf or configured()
        self.ends = Ends()
        self.transport = oslo_messaging.get_rpc_transport(conf, url=url)
        self.news = oslo_messaging.get_notification_transport(conf, url=url)
        self.api = VifAgentAPI(transport=self.transport)
        target = oslo_messaging.Target(exchange=bus.EXCHANGE, topic=bus.NOTIFICATION_TOPIC)
        self.listener = oslo_messaging.get_notification_listener(
            self.news, [target], [self.ends], executor="threading"
        )
        self.listener.start()

    def plug(self, vifs: Sequence[Vif]) -> float:
        return self._ask("vif.plug.end", self.api.plug_vif, vifs)

    def unplug(self, vifs: Sequence[Vif]) -> float:
        return self._ask("vif.unplug.end", self.api.unplug_vif, vifs)

    def sync(self, vifs: Sequence[Vif], patience: float) -> float:
        """All in one full set. ``patience``: seconds for the first, and for each after it."""
        self.ends.expect("vif.plug.end", vifs)
        items = [{"instance": instance(vif), "vif": vif} for vif in vifs]
        begin = time.perf_counter()
        self.api.sync_vifs({}, HOST, items)
        return self.ends.wait(patience) - begin

    def cast(self, vifs: Sequence[Vif]) -> None:
        """Plugs, which the broker has when this returns; ``ends`` waits for their ends."""
        self.ends.expect("vif.plug.end", vifs)
        for vif in vifs:
            self.api.plug_vif({}, HOST, instance(vif), vif)

    def close(self) -> None:
        self.listener.stop()
        self.listener.wait()
        self.transport.cleanup()
        self.news.cleanup()

    def _ask(self, event: str, cast: Any, vifs: Sequence[Vif]) -> float:
        self.ends.expect(event, vifs)
        owned = [(instance(vif), vif) for vif in vifs]
        begin = time.perf_counter()
        for owner, vif in owned:
            cast({}, HOST, owner, vif)
        return self.ends.wait() - begin


def purge(url: str) -> None:
    """What was cast, and is not taken, is not for the next agent."""
    broker = url.replace("rabbit://", "amqp://")
    with kombu.Connection(broker) as connection:  # type: ignore[no-untyped-call]
        connection.channel().queue_purge(f"{bus.CAST_TOPIC}.{HOST}")


def configured() -> Any:
    """oslo.config's own CONF: oslo.messaging reads some options nowhere else."""
    logging.getLogger("oslo_messaging").setLevel(logging.ERROR)
    cfg.CONF([], project="bench", default_config_files=[])
    return cfg.CONF
