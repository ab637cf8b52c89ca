"""A NIC with the host's addresses and ways on it, wired to a neighbour in another namespace, and
TCP connections over it."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from typing import Any, Self

from tests.support.real_host import ip
from vif_agent.testing.netns import Namespace

NIC = "eth1"
HOST, NEIGHBOUR = ("192.0.2.1", "2001:db8::1"), ("192.0.2.2", "2001:db8::2")
ROUTER = "fe80::2"

_TURN = 5.0  # seconds to wait for one byte: a lost connection, not a lost packet


class Wire:
    """``NIC`` here, and its far end with the neighbour's addresses."""

    def __init__(self, nic: str = NIC, ipv6: bool = True) -> None:
        self.neighbour = Namespace()
        ip("link", "add", nic, "type", "veth", "peer", "name", "far")
        ip("link", "set", "far", "netns", self.neighbour.path)
        ip("link", "set", nic, "up")
        with self.neighbour.entered():
            ip("link", "set", "far", "up")
            ip("address", "add", NEIGHBOUR[0] + "/24", "dev", "far")
            ip("address", "add", NEIGHBOUR[1] + "/64", "dev", "far", "nodad")
            ip("address", "add", ROUTER + "/64", "dev", "far", "nodad")
        ip("address", "add", HOST[0] + "/24", "dev", nic)
        if ipv6:
            ip("address", "add", HOST[1] + "/64", "dev", nic, "nodad")

    def close(self) -> None:
        self.neighbour.close()

    def advertise(self, prefix: str, lifetime: int) -> None:
        """The neighbour tells that it is a router, and of a prefix for this many seconds."""
        # RFC 4861, 4.2 and 4.6.2: a prefix of 64 bits, on link, for addresses of one's own
        message = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) + struct.pack(
            "!BBBBIII16s", 3, 4, 64, 0xC0, lifetime, lifetime, 0,
            socket.inet_pton(socket.AF_INET6, prefix),
        )  # fmt: skip
        with self.neighbour.entered():
            far = socket.if_nametoindex("far")
            kind = socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6
            with socket.socket(*kind) as router:
                router.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
                router.bind((ROUTER, 0, 0, far))
                router.sendto(message, ("ff02::1", 0, 0, far))


def furnish(nic: str = NIC) -> None:
    """All sorts of what a host has on a NIC: by hand, by DHCP, by a router's advertisement."""
    ip("address", "add", "192.0.2.11/24", "dev", nic, "label", f"{nic}:1")
    ip("address", "add", "198.51.100.1", "peer", "198.51.100.2", "dev", nic, "metric", "50")
    ip("address", "add", "203.0.113.1/24", "dev", nic, "noprefixroute", *_until(1000, 500))
    ip("address", "add", "169.254.7.7/16", "dev", nic, "scope", "link")
    ip("address", "add", "2001:db8:1::1/64", "dev", nic, "nodad", *_until(900, 0))
    ip("route", "add", "203.0.113.0/24", "dev", nic, "proto", "kernel", "metric", "100")
    ip(
        *("route", "add", "default", "via", NEIGHBOUR[0], "dev", nic, "proto", "dhcp"),
        *("src", HOST[0], "metric", "100", "mtu", "1400"),
    )
    ip("route", "add", "10.1.0.0/16", "via", NEIGHBOUR[0], "table", "77")
    ip("route", "add", "10.2.0.0/16", "via", "10.9.9.9", "dev", nic, "onlink")
    ip("route", "add", "10.3.0.0/16", *_hop(NEIGHBOUR[0], nic, 3), *_hop("192.0.2.3", nic, 1))
    ip(
        "-6",
        "route",
        "add",
        "default",
        "via",
        "fe80::1",
        "dev",
        nic,
        "proto",
        "ra",
        "expires",
        "600",
    )
    ip("-6", "route", "add", "fd01::/64", "dev", nic, "table", "77", "metric", "9")
    ip("-6", "route", "add", "fd02::/64", *_hop(NEIGHBOUR[1], nic, 2), *_hop("2001:db8::3", nic, 1))
    ip("rule", "add", "iif", nic, "lookup", "77", "priority", "100")
    ip("-6", "rule", "add", "from", HOST[1], "oif", nic, "lookup", "77", "priority", "101")
    ip("neighbour", "add", "192.0.2.9", "lladdr", "02:00:00:00:00:09", "dev", nic)


def unfurnish() -> None:
    """Rules outlive the devices that they name."""
    ip("rule", "delete", "priority", "100")
    ip("-6", "rule", "delete", "priority", "101")


def belongings(device: str, called: str = NIC) -> dict[str, Any]:
    """What `ip` shows with a device, as if the device had the name ``called``.

    Without times, which run, and without "nodad", which says nothing of an address that is there.
    """
    (shown,) = json.loads(ip("-j", "address", "show", "dev", device))
    timed = ("valid_life_time", "preferred_life_time", "nodad", "protocol")
    found = {
        "addresses": [
            {k: v for k, v in address.items() if k not in timed}
            for address in shown["addr_info"]
            if address["scope"] != "link"
        ],
        "routes": _routes(device, "-4") + _routes(device, "-6"),
        "rules": _rules("-4") + _rules("-6"),
        "neighbours": json.loads(ip("-j", "neighbour", "show", "dev", device, "nud", "permanent")),
    }
    named: dict[str, Any] = json.loads(json.dumps(found).replace(f'"{device}"', f'"{called}"'))
    named["routes"].sort(key=json.dumps)
    return named


def _routes(device: str, family: str) -> list[dict[str, Any]]:
    """Also the ones with several hops, which `ip` does not find by device, the hops sorted."""
    routes = json.loads(ip("-j", family, "route", "show", "table", "all"))
    mine = [r for r in routes if device in json.dumps(r) and r.get("table") != "local"]
    lasting = [{k: v for k, v in r.items() if k not in ("flags", "expires")} for r in mine]
    for route in lasting:
        route.get("nexthops", []).sort(key=lambda hop: str(hop["gateway"]))
    return [r for r in lasting if r.get("prefsrc") != "169.254.7.7" and r["dst"] != "fe80::/64"]


def _rules(family: str) -> list[Any]:
    return [r for r in json.loads(ip("-j", family, "rule", "show")) if r["priority"] in (100, 101)]


def _until(valid: int, preferred: int) -> tuple[str, ...]:
    return ("valid_lft", str(valid), "preferred_lft", str(preferred))


def _hop(gateway: str, device: str, weight: int) -> tuple[str, ...]:
    return ("nexthop", "via", gateway, "dev", device, "weight", str(weight))


class Conversation:
    """A TCP connection over the wire: a byte there, a byte back, without end."""

    def __init__(self, wire: Wire, here: str, there: str, from_here: bool = True) -> None:
        family = socket.AF_INET6 if ":" in here else socket.AF_INET
        with wire.neighbour.entered():
            far = socket.socket(family)
            far.bind((there, 0))
        near = socket.socket(family)
        near.bind((here, 0))
        self._near, self._far = _connected(near, far) if from_here else _connected(far, near)[::-1]
        self.turns, self.longest = 0, 0.0
        self.error: Exception | None = None
        self._ending = False
        self._thread = threading.Thread(target=self._talk, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending = True
        self._thread.join()
        self._near.close()
        self._far.close()

    def goes_on(self) -> bool:
        """Does it, for a hundred turns from now?"""
        start, deadline = self.turns, time.monotonic() + _TURN
        while self.turns < start + 100 and self.error is None and time.monotonic() < deadline:
            self._thread.join(0.01)
        return self.turns >= start + 100

    def _talk(self) -> None:
        try:
            while not self._ending:
                start = time.monotonic()
                for one, other in ((self._near, self._far), (self._far, self._near)):
                    one.sendall(b"x")
                    if not other.recv(1):
                        raise ConnectionError("closed")
                self.longest = max(self.longest, time.monotonic() - start)
                self.turns += 1
        except Exception as error:
            self.error = error


def _connected(client: socket.socket, server: socket.socket) -> tuple[socket.socket, socket.socket]:
    server.listen()
    client.settimeout(_TURN)
    client.connect(server.getsockname()[:2])
    accepted, _ = server.accept()
    accepted.settimeout(_TURN)
    server.close()
    return client, accepted
