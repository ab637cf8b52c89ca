"""Valid casts and calls, changed in one to three places."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from tests.support.examples import INSTANCE, PAYLOADS
from vif_agent.testing.plugging import new_vif

#: what breaks parsers, and names that mean something on the host of these runs
_TEXTS = (
    "", " ", "\x00", "\n", "a\nb", "\x1b[31m", "\ud800", "\u202e", "é", "😀", "..", "../..", "/",
    "a/b", "-h", "--", "%s%n", "{}", "'; --", "$(id)", "x" * 15, "x" * 16, "x" * 300, "y" * 70_000,
    "0", "-1", "1500", "65536", "1e9", "true", "None", "null", "NaN", "::1", "192.0.2.1",
    "fa:16:3e:00:00:01", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00",
    "0000:03:10.1", "0000:81:00.2", "all", "default", "lo", "eth0", "eth7", "member0",
    "tapffffffff-ff", "ovs-system", "br-int", "tbr-1", "netdev", "system", "flat", "vxlan",
    "7181b049-88fe-58c4-ad88-63316f977d48", "FFFFFFFF-2222-4333-8444-555555555555",
    *(path.stem.partition("_")[0] for path in sorted(PAYLOADS.glob("*.json"))),
)  # fmt: skip
_NUMBERS = (
    0, 1, -1, 2, 67, 68, 1500, 4094, 4095, 65_535, 65_536, (1 << 31) - 1, 1 << 31, 1 << 32,
    (1 << 63) - 1, 1 << 63, -(1 << 63) - 1, 1 << 70, 10**400, 0.0, -0.0, 0.5, 1e308,
    float("inf"), float("-inf"), float("nan"),
)  # fmt: skip
_KEYS = (
    "id", "type", "uuid", "vif", "args", "method", "self", "ctxt", "meta", "more", "__class__", "",
    "bridge_interface", "port_filter", "\ud800", "a\nb", "k" * 300, "physical_interface",
)  # fmt: skip
_MAKERS: tuple[Callable[[random.Random], Any], ...] = (
    lambda dice: dice.choice(_TEXTS),
    lambda dice: dice.choice(_TEXTS),
    lambda dice: dice.choice(_NUMBERS),
    lambda dice: dice.choice((None, True, False, [], {}, [[]], [{}], {"": None})),
    lambda dice: {dice.choice(_KEYS): dice.choice(_TEXTS) for _ in range(dice.randrange(4))},
    lambda dice: [dice.choice(_NUMBERS) for _ in range(dice.randrange(4))],
    lambda dice: _nested(dice.choice((3, 13, 60))),
)


class Seeds:
    """Valid ones, of ``ports`` different ports."""

    def __init__(self, ports: int) -> None:
        vifs = [json.loads(path.read_text()) for path in sorted(PAYLOADS.glob("*.json"))]
        self.vifs = [new_vif(vifs[n % len(vifs)], n) for n in range(ports)]

    def cast(self, dice: random.Random) -> dict[str, Any]:
        kind = dice.random()
        if kind < 0.02:
            return self._set(dice)
        method = "plug_vif" if kind < 0.7 else "unplug_vif"
        args = {"instance": INSTANCE, "vif": dice.choice(self.vifs)}
        return _message(method, args, dice)

    def call(self, dice: random.Random) -> dict[str, Any]:
        vif = dice.choice(self.vifs)
        port = {"port_id": vif["id"]}
        method, args = dice.choice(
            (
                ("get_vif", port),
                ("wait_vif", {**port, "generation": dice.randrange(9), "timeout": 0.5}),
                ("wait_vif", {**port, "generation": None, "timeout": 30}),
                ("check_vif", port),
                ("repair", port),
                ("repair", {}),
                ("forget_vif", port),
                ("list_vifs", {"unplugged": True}),
                ("list_orphans", {}),
                ("get_topology", {"port_id": None, "network": "net", "everything": False}),
                ("get_topology", {**port, "bridge": "br-int"}),
                ("cleanup", {"dry_run": True}),
                ("cleanup", {}),
                ("get_status", {}),
                ("get_health", {}),
                ("get_identity", {}),
                ("list_plugins", {}),
                ("list_firewall_drivers", {}),
                ("plan", {"cast": "plug_vif", "instance": INSTANCE, "vif": vif}),
                ("plan", {"cast": "unplug_vif", "vif": vif}),
                ("plan", {"cast": "cleanup"}),
                ("plan", {"cast": "sync_vifs", "vifs": [vif], "complete": True}),
            )
        )
        return _message(method, args, dice)

    def _set(self, dice: random.Random) -> dict[str, Any]:
        some = dice.sample(self.vifs, dice.randrange(1, 6))
        args = {"vifs": some, "complete": dice.random() < 0.2}
        return _message("sync_vifs", args, dice)


def mutated(message: dict[str, Any], dice: random.Random) -> dict[str, Any]:
    """``message`` is {"context", "message"}; as a bus brings it: JSON, and nothing shared."""
    copy = json.loads(json.dumps(message))
    for _ in range(dice.choice((1, 1, 1, 2, 2, 3))):
        _change(copy, dice)
    return copy  # type: ignore[no-any-return]


def _message(method: str, args: dict[str, Any], dice: random.Random) -> dict[str, Any]:
    if dice.random() < 0.3 and method.endswith(("plug_vif", "sync_vifs")):
        args = {**args, "generation": dice.randrange(1 << dice.choice((3, 40, 62)))}
    context = {"request_id": "req-7f2b", "global_request_id": None}
    return {"context": context, "message": {"method": method, "args": args, "version": "1.0"}}


def _change(message: dict[str, Any], dice: random.Random) -> None:
    """Any place is as likely as any other."""
    node, key = dice.choice([*_places(message)])
    what = dice.random()
    if what < 0.5:
        node[key] = dice.choice(_MAKERS)(dice)
    elif what < 0.65:
        del node[key]
    elif what < 0.8:
        _add(node, node[key], dice)
    else:
        node[key] = _nearly(node[key], dice)
    if not isinstance(message.get("message"), dict):  # oslo.messaging hands over nothing else
        message["message"] = {"method": "plug_vif"}


def _places(node: Any, deepest: int = 20) -> Iterator[tuple[Any, Any]]:
    """Every node with each of its keys."""
    keys = list(node) if isinstance(node, dict) else range(len(node))
    for key in keys:
        yield node, key
        if isinstance(inner := node[key], dict | list) and deepest and len(inner) < 100:
            yield from _places(inner, deepest - 1)


def _add(node: Any, value: Any, dice: random.Random) -> None:
    """Something more beside it; of a list now and then very much."""
    more = dice.choice((value, dice.choice(_MAKERS)(dice)))
    if isinstance(node, dict):
        node[dice.choice(_KEYS)] = more
    else:
        node.extend([more] * dice.choice((1, 1, 1, 1, 1, 1, 1, 300)))


def _nearly(value: Any, dice: random.Random) -> Any:
    """The same, and not quite."""
    if isinstance(value, str) and value:
        place = dice.randrange(len(value))
        return value[:place] + dice.choice("0aFZ-:./ \n\x7f") + value[place + 1 :]
    if isinstance(value, str):
        return dice.choice(_TEXTS)
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, int | float):
        return dice.choice((repr(value)[:40], -value, value + 1, value * 2, [value]))
    return [value]


def _nested(depth: int) -> Any:
    inner: Any = "x"
    for level in range(depth):
        inner = [inner] if level % 2 else {"a": inner}
    return inner
