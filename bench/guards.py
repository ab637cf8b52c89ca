"""What a guard costs: one batch of many ports, one port more, all read back; and a frame.

`.venv/bin/python -m bench.guards`, as root: in network namespaces of its own, without an agent.
CPU seconds of this process, the kernel's for it included: the helper does nothing else.
"""

from __future__ import annotations

import ipaddress
import os
import resource
import statistics
from collections.abc import Callable, Iterator, Sequence

from tests.support.guarded import guests, plain_bridge, tap
from tests.support.guarded_frames import FAR, FREE, IP, IP6, MINE, fence
from tests.support.packets import IPV4, IPV6, TCP, ether, ip4, ip6, tcp
from vif_agent.helper import guards
from vif_agent.helper.codec import Plain, from_plain, to_plain
from vif_agent.helper.orders import SetGuard
from vif_agent.testing import netns
from vif_agent.testing.frames import End

COUNTS = (1_000, 10_000)
FRAMES, ROUNDS = 20_000, 7


def main() -> None:
    for kind in ("an IPv4 and a link-local address", "any address", "and a prefix"):
        for count in COUNTS:
            with netns.fresh_netns():
                print(f"{count:,} ports, {kind}: {', '.join(_table(kind, count))}", flush=True)
    with netns.fresh_netns():
        for what, without, guarded in _frames():
            more = (guarded / without - 1) * 100
            print(f"{what}: {without:.2f} us a frame, guarded {guarded:.2f} ({more:+.0f} %)")


def order(n: int, kind: str) -> SetGuard:
    """The port of this number."""
    mac = f"fa:16:3e:{n >> 16:02x}:{n >> 8 & 255:02x}:{n & 255:02x}"
    link = f"fe80::f816:3eff:fe{n >> 16:02x}:{n & 0xFFFF:x}"
    networks = [f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}/32", f"{ipaddress.ip_address(link)}/128"]
    if kind == "any address":
        networks = ["0.0.0.0/0", "::/0"]
    elif kind == "and a prefix":
        networks.append(f"172.16.{n & 255}.0/24")
    pairs = tuple(sorted((mac, network) for network in networks))
    owner = f"5843eca1-e1fe-5bb2-a9c2-{n:012x}"
    return SetGuard(name=f"tap{n:08x}", owner=owner, macs=(mac,), pairs=pairs)


def _table(kind: str, count: int) -> Iterator[str]:
    """As the helper does it: from what came by the channel to the kernel's answer."""
    guards.begin()
    guards.read()
    plain = [to_plain(order(n, kind)) for n in range(count)]
    yield f"in one batch {_ms(lambda: _write(1, plain)):.0f} ms"
    yield f"read back {_ms(guards.read):.0f} ms"
    more = [
        _ms(lambda n=n: _write(2 + n, [to_plain(order(count + n, kind))]))  # type: ignore[misc]
        for n in range(20)
    ]
    yield f"one more {statistics.median(more):.2f} ms"


def _write(generation: int, plain: Sequence[Plain]) -> None:
    refused = guards.write([], generation, from_plain(plain, SetGuard), [])
    if refused.errno:
        raise RuntimeError(refused.text)


def _ms(work: Callable[[], object]) -> float:
    before = _cpu()
    work()
    return (_cpu() - before) * 1e3


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _frames() -> Iterator[tuple[str, float, float]]:
    """From a tap through a bridge to another, in turn with a guard and without."""
    plain_bridge("br-bench")
    with tap("tap-far", "br-bench") as far, guests("br-bench") as ends:
        far.send(fence("unguarded", b"here").replace(bytes.fromhex(FREE.replace(":", "")), _far()))
        for what, payload, kind in (
            ("IPv4", ip4(IP, "10.0.0.250", TCP, tcp(1, 2) + bytes(1000)), IPV4),
            ("IPv6", ip6(IP6, "2001:db8::fa", TCP, tcp(1, 2) + bytes(1000)), IPV6),
        ):
            took: dict[str, list[float]] = {"strict": [], "unguarded": []}
            for _ in range(ROUNDS):
                for port, source in (("strict", MINE), ("unguarded", FREE)):
                    sent = ether(source, FAR, kind, payload)
                    took[port].append(_ms(lambda e=ends[port], s=sent: _send(e, far, s)))  # type: ignore[misc]
            us = {port: min(each) / FRAMES * 1e3 for port, each in took.items()}
            yield what, us["unguarded"], us["strict"]


def _far() -> bytes:
    return bytes.fromhex(FAR.replace(":", ""))


def _send(end: End, far: End, sent: bytes) -> None:
    for _ in range(FRAMES):
        end.send(sent)
        while (came := far.receive(b"", 5)) != sent:
            if came is None:
                raise RuntimeError("a frame has not arrived")


if __name__ == "__main__":
    os.nice(-5)
    main()
