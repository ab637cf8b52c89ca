"""A running agent with its scratch host, and what senders and operators use of it."""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self, TypeVar

import oslo_messaging
from oslo_config import cfg

from tests.support.examples import INSTANCE
from tests.support.real_host import ip, links
from vif_agent import bus
from vif_agent.bus.api import VifAgentAPI
from vif_agent.helper import guards
from vif_agent.testing import processes
from vif_agent.testing.daemon import HOST, Daemon, transport
from vif_agent.testing.frames import EXPERIMENTAL
from vif_agent.testing.host import ScratchHost
from vif_agent.testing.watch import WriteWatch

MODES = ("threading", "eventlet")
GOOD = ("ovs", "ovs_create_tap", "ovs_hybrid", "bridge", "tap")
QUEUE = f"{bus.CAST_TOPIC}.{HOST}"
CONTEXT = {"request_id": "req-7f2b"}

Vif = dict[str, Any]
Options = Mapping[str, Mapping[str, object]]
_T = TypeVar("_T")


class Site:
    """Left with nothing plugged and the state removed, so that the next agent starts anew.

    ``sender``: options of oslo_messaging_rabbit for this side, as a transport URL's query.
    """

    def __init__(
        self,
        host: ScratchHost,
        concurrency: str,
        options: Options | None = None,
        sender: str = "",
        **daemon: Any,
    ) -> None:
        assert host.rabbit
        self.host, self.concurrency = host, concurrency
        self.rabbit = host.rabbit
        groups = {group: dict(values) for group, values in (options or {}).items()}
        groups.setdefault("vif_agent", {})["concurrency"] = concurrency
        groups.setdefault("bridge", {}).setdefault("create_tap", True)
        firewall = groups.setdefault("firewall", {})
        firewall.setdefault("permitted_ethertypes", hex(EXPERIMENTAL))  # what guests send in tests
        self.guards = firewall.get("driver") != "noop" and not guards.lacks()
        self.daemon = Daemon(host, self.rabbit.url, groups, **daemon)
        self.transport = transport(self.rabbit.url + sender)
        self.api = VifAgentAPI(transport=self.transport)
        #: for casts that nobody waits for: a broker that was killed may take its time
        self.patient = VifAgentAPI(transport=self.transport, timeout=60)
        self._client = oslo_messaging.get_rpc_client(
            self.transport,
            oslo_messaging.Target(
                exchange=bus.EXCHANGE, topic=bus.CAST_TOPIC, server=HOST, version=bus.VERSION
            ),
        )

    def __enter__(self) -> Self:
        self.daemon.log_file.unlink(missing_ok=True)
        try:
            self.daemon.start()
        except BaseException:
            self.daemon.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self.daemon.alive():
                self.unplug_all()
        finally:
            try:
                self.daemon.stop()
            finally:
                self.transport.cleanup()
                shutil.rmtree(self.daemon.state_path, ignore_errors=True)

    def plug(self, vif: Vif, wait: float | None = 60, **more: Any) -> dict[str, Any]:
        api = self.patient if wait is None else self.api
        return api.plug_vif(CONTEXT, HOST, INSTANCE, vif, wait=wait, **more) or {}

    def unplug(self, vif: Vif, wait: float | None = 60, **more: Any) -> dict[str, Any]:
        api = self.patient if wait is None else self.api
        return api.unplug_vif(CONTEXT, HOST, INSTANCE, vif, wait=wait, **more) or {}

    def cast(self, method: str, **arguments: object) -> None:
        """As an RPCClient does it, with nothing added: no generation."""
        self._client.cast(CONTEXT, method, **arguments)

    def port(self, vif: Vif) -> dict[str, Any]:
        return self.api.get_vif(CONTEXT, HOST, vif["id"]) or {"state": "unknown"}

    def states(self) -> set[str]:
        return {port["state"] for port in self.api.list_vifs(CONTEXT, HOST)}

    def settled(self, timeout: float = 60) -> None:
        """Wait until the queue is empty and no port is pending or retrying."""
        wait_for(lambda: self.rabbit.queue_length(QUEUE) == 0, "an empty queue", timeout)
        wait_for(lambda: not self.states() & {"pending", "retrying"}, "settled ports", timeout)

    def rejoined(self) -> None:
        """Wait until a broker that was killed has the agent's queue again, if it is not durable.

        It drops a cast that comes before; an answer proves nothing, for calls have their own queue.
        """
        wait_for(lambda: self.rabbit.queue_length(QUEUE) == 0, "the agent's queue")

    def unplug_all(self) -> None:
        for port in self.api.list_vifs(CONTEXT, HOST):
            self.unplug({"id": port["port_id"]}, wait=None)
        wait_for(lambda: not self.api.list_vifs(CONTEXT, HOST), "nothing plugged", 60)

    def ovs_ports(self) -> set[str]:
        return set(self.host.ovs.vsctl("list-ports", "br-int").split())

    def ovs_rows(self, table: str) -> int:
        text = self.host.ovs.vsctl("--bare", "--columns=_uuid", "list", table)
        return len(text.split())

    def watch(self) -> WriteWatch:
        return WriteWatch(self.host.ovs)

    def writes(self, act: Callable[[], object]) -> list[str]:
        """What doing it writes."""
        with self.watch() as watch:
            return watch.of(act)


class Notices:
    """The agent's notifications as a subscriber gets them."""

    filter_rule = oslo_messaging.NotificationFilter(publisher_id=f"vif-agent.{HOST}")

    def __init__(self, url: str) -> None:
        self._seen: queue.SimpleQueue[tuple[str, str, dict[str, Any]]] = queue.SimpleQueue()
        self._transport = oslo_messaging.get_notification_transport(cfg.CONF, url=url)
        target = oslo_messaging.Target(exchange=bus.EXCHANGE, topic=bus.NOTIFICATION_TOPIC)
        self._listener = oslo_messaging.get_notification_listener(
            self._transport, [target], [self], executor="threading"
        )

    def __enter__(self) -> Self:
        self._listener.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.stop()
        self._listener.wait()
        self._transport.cleanup()

    def info(self, _context: Any, _sender: str, event: str, payload: Any, _meta: Any) -> None:
        self._seen.put(("info", event, payload))

    def error(self, _context: Any, _sender: str, event: str, payload: Any, _meta: Any) -> None:
        self._seen.put(("error", event, payload))

    def next(
        self, matches: Callable[[dict[str, Any]], bool], timeout: float = 60
    ) -> tuple[str, str, dict[str, Any]]:
        """The next one whose payload matches; those before it are passed over."""
        deadline = time.monotonic() + timeout
        while True:
            seen = self._seen.get(timeout=max(0.0, deadline - time.monotonic()))
            if matches(seen[2]):
                return seen


def clean_up_taps(site: Site) -> None:
    """After a test that has made taps, as nova does, and perhaps ended the agent."""
    if not site.daemon.alive():
        site.daemon.start()
    for name in links():
        if name.startswith("tap"):
            ip("link", "delete", name)
    site.unplug_all()


@contextlib.contextmanager
def nic(name: str) -> Iterator[None]:
    """A stand-in for a network card, in the session's own namespace: one end of a veth pair."""
    argv = ("ip", "link", "add", name, "up", "type", "veth", "peer", "name", f"{name}far")
    processes.run(argv, os.environ)
    try:
        yield
    finally:
        processes.run(("ip", "link", "del", name), os.environ)


def wait_for(look: Callable[[], _T], what: str, timeout: float = 60) -> _T:
    """The first true answer; looks that raise are looks too early."""
    deadline, answer = time.monotonic() + timeout, None
    while time.monotonic() < deadline:
        try:
            if found := look():
                return found
            answer = found
        except (LookupError, OSError, RuntimeError, oslo_messaging.MessagingException) as error:
            answer = repr(error)  # type: ignore[assignment]
        time.sleep(0.05)
    raise TimeoutError(f"no {what} in {timeout} s; last: {answer}")


def numbered(vif: Vif, number: int) -> Vif:
    """Another port of the same kind, with device names of its own."""
    port_id = f"{number:08x}-{number:04x}-4000-8000-{number:012x}"
    devname = vif["devname"][:3] + port_id[:11]
    address = f"fa:16:3e:00:{number >> 8:02x}:{number & 255:02x}"
    return {**vif, "id": port_id, "devname": devname, "address": address}
