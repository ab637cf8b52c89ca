"""A storm of casts over many ports, and what the host must be when it is over."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

import oslo_messaging

from tests.support.casting import CONTEXT, Site, Vif, numbered
from tests.support.others_tables import others_untouched
from vif_agent.bus.api import NoAnswer
from vif_agent.testing.daemon import HOST

LOG = logging.getLogger(__name__)

KINDS = ("ovs_hybrid", "ovs_create_tap", "bridge")
_NETWORKS = 4
_PLUGS = 0.6  # of all casts
_RESEND_SECONDS = 60.0
_SETTLED = ("ready", "unplugged")


class Host(NamedTuple):
    """What of a host the storm may change."""

    links: frozenset[str]
    ovs_ports: frozenset[str]
    qos_rows: int


class PortRequest(NamedTuple):
    plug: bool
    generation: int


class Storm:
    """``ports``: how many, of all KINDS in turn. VIF_AGENT_SEED repeats the casts and the pauses.

    ``cast`` may run in a thread of its own.
    """

    def __init__(self, site: Site, payload: Callable[[str], Vif], ports: int) -> None:
        self.seed = int(os.environ.get("VIF_AGENT_SEED", "0")) or time.time_ns() % 1_000_000
        LOG.warning("VIF_AGENT_SEED=%d repeats this storm", self.seed)
        self.pauses = random.Random(self.seed)
        self._site, self._before = site, look(site)
        self._dice = random.Random(self.seed + 1)
        kinds = [KINDS[number % len(KINDS)] for number in range(ports)]
        vifs = [(kind, _port(payload(kind), kind, n)) for n, kind in enumerate(kinds)]
        self._ports = {vif["id"]: (kind, vif) for kind, vif in vifs}
        self._last: dict[str, PortRequest] = {}

    def cast(self, count: int) -> None:
        for _ in range(count):
            port, plug = self._dice.choice(list(self._ports)), self._dice.random() < _PLUGS
            self._last[port] = PortRequest(plug, time.time_ns())
            self._send(port)

    def unstored(self) -> set[str]:
        """Ports whose last request is still with the bus."""
        stored, last = _stored(self._site), dict(self._last)
        return {i for i in last if i not in stored or stored[i].generation < last[i].generation}

    def ask_again(self) -> int:
        """As a sender with no answer does: the same request, where the store has it not; how
        many."""
        missing = self.unstored()
        for port in missing:
            self._send(port)
        return len(missing)

    def undone(self) -> set[str]:
        """Ports whose last request is still on its way."""
        stored = _stored(self._site)
        return self.unstored() | {i for i, port in stored.items() if port.state not in _SETTLED}

    def wired(self) -> bool:
        """Has OVSDB the ports it should have?"""
        return set(self._expected().ovs_ports) == self._site.ovs_ports()

    def verify(self) -> None:
        """The host equals the last requests: no port lost, none left over, nothing else touched."""
        site, plugged = self._site, {vif["id"] for _, vif in self._plugged()}
        assert {port["port_id"] for port in site.api.list_vifs(CONTEXT, HOST)} == plugged
        assert site.states() == {"ready"}
        assert look(site) == self._expected()
        if site.guards:
            guards = site.api.get_firewall(CONTEXT, HOST)["guards"]
            wanted = {v["devname"]: v["id"] for kind, v in self._plugged() if kind == "bridge"}
            assert {guard["device"]: guard["port_id"] for guard in guards} == wanted
            assert all(guard["enforced"] for guard in guards)
        checks = {i: site.api.check_vif(CONTEXT, HOST, i) for i in plugged}
        assert {i: text["text"] for i, text in checks.items() if not text["ok"]} == {}

    def _plugged(self) -> list[tuple[str, Vif]]:
        return [self._ports[port] for port, request in self._last.items() if request.plug]

    def _expected(self) -> Host:
        return expected(self._before, self._plugged())

    def _send(self, port: str) -> None:
        """As nova would: until the broker has it."""
        vif, (plug, generation) = self._ports[port][1], self._last[port]
        send = self._site.plug if plug else self._site.unplug
        deadline = time.monotonic() + _RESEND_SECONDS
        while True:
            try:
                send(vif, wait=None, generation=generation)
                return
            except (oslo_messaging.MessagingException, NoAnswer):  # RabbitMQ may be slow to start
                if time.monotonic() > deadline:
                    raise


@contextlib.contextmanager
def strangers(site: Site) -> Iterator[None]:
    """A link, an OVS port and tables of nf_tables that are nobody's, and must be the same
    afterwards; to the tables nothing is written."""
    ip, vsctl = site.host.ip, site.host.ovs.vsctl
    ip("link", "add", "stranger0", "mtu", "1300", "type", "bridge")
    interface = ("interface", "stranger1", "type=internal", "external_ids:iface-id=stranger")
    vsctl("add-port", "br-int", "stranger1", "--", "set", *interface)
    before = _strangers(site)
    try:
        with others_untouched():
            yield
        assert _strangers(site) == before
    finally:
        vsctl("del-port", "stranger1")
        ip("link", "del", "stranger0")


def look(site: Site) -> Host:
    return Host(frozenset(site.host.links()), frozenset(site.ovs_ports()), site.ovs_rows("QoS"))


def expected(before: Host, plugged: Collection[tuple[str, Vif]]) -> Host:
    links, ovs_ports = set(before.links), set(before.ovs_ports)
    for kind, vif in plugged:
        short = vif["id"][:11]
        if kind == "ovs_hybrid":
            links |= {"qbr" + short, "qvb" + short, "qvo" + short}
            ovs_ports.add("qvo" + short)
        elif kind == "ovs_create_tap":
            links.add(vif["devname"])
            ovs_ports.add(vif["devname"])
        else:
            links |= {vif["devname"], vif["network"]["bridge"]}
    rows = before.qos_rows + len(ovs_ports) - len(before.ovs_ports)
    return Host(frozenset(links), frozenset(ovs_ports), rows)


class _Stored(NamedTuple):
    generation: int
    state: str


def _stored(site: Site) -> dict[str, _Stored]:
    """Read only: to open the store as it is opened by the agent would tidy it up after a crash."""
    path = site.daemon.state_path / "vif-agent.sqlite"
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as store:
        rows = store.execute("SELECT port_id, generation, state FROM ports").fetchall()
    return {port: _Stored(generation, state) for port, generation, state in rows}


def _strangers(site: Site) -> tuple[object, ...]:
    link = site.host.links()["stranger0"]
    columns = "--columns=_uuid,type,external_ids"
    row = site.host.ovs.vsctl(columns, "list", "interface", "stranger1")
    return ({k: link[k] for k in ("ifindex", "mtu", "flags", "address")}, row)


def _port(vif: Vif, kind: str, number: int) -> Vif:
    """Bridge ports are on four networks."""
    vif = numbered(vif, number)
    network = {**vif["network"], "bridge": f"brqstorm-{number % _NETWORKS}"}
    return {**vif, "network": network} if kind == "bridge" else vif
