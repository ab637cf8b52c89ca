"""What a plugin's process may say, and what it cannot do by saying it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from vif_agent.errors import PluginFailed, Problem
from vif_agent.pci_names import REPRESENTOR, of_pci
from vif_agent.plugin_host import serialization
from vif_agent.plugin_host.protocol import Answer, Channel, Loaded, Order
from vif_agent.plugins import answers
from vif_agent.resources import Command, Device, Guard, OvsPort, Tap, Vf, Vxlan
from vif_agent.vif import Vif, freeze, parse

MAC = "fa:16:3e:00:00:01"
RESOURCES = (
    Tap(name="tapx", mtu=1450, multi_queue=None, up=None),
    Vxlan(name="vx1", shared=True, vni=7, peers=("192.0.2.1", "192.0.2.2")),
    OvsPort(name="qvo", bridge="br-int", external_ids=(("iface-id", "x"),), options=()),
    Vf(name="0000:03:10.1", mac=MAC, only_if=(("mac", None), ("vlan", 3))),
    Device(name=of_pci("0000:03:10.1", REPRESENTOR), up=True),
    Command(plug=("acme", "add x"), unplug=("acme", "del"), done=None),
)
WORDS = (
    (Order, Order("g", "n", "d", ("a",), (), 5, 0.5)),
    (Loaded | Answer, Loaded("1.0", {"old": "2.0"})),
    (Loaded | Answer, Answer(problem=Problem("no_plugin", "why \udcff"))),
    (Answer, Answer(RESOURCES, trace="line\nline")),
    (Answer, Answer((Guard(name="tapx", macs=(MAC,), pairs=((MAC, "::/0"),)),))),
)
NO_ANSWERS: dict[str, object] = {
    "a number": 1,
    "nothing": None,
    "unknown field": {"resource": []},
    "resources that are text": {"resources": "Tap"},
    "no kind": {"resources": [{"name": "x"}]},
    "a class that is only found": {"resources": [{"kind": "OtherLink", "name": "x"}]},
    "a class of the module that is none": {"resources": [{"kind": "Key", "name": "x"}]},
    "a dotted name": {"resources": [{"kind": "shlex.os.system", "name": "x"}]},
    "a guard": {"resources": [{"kind": "Guard", "name": "x", "macs": [], "pairs": []}]},
    "a wrong type": {"resources": [{"kind": "Tap", "name": 1}]},
    "a truth for a number": {"resources": [{"kind": "Tap", "name": "x", "mtu": True}]},
    "a name that a command gives itself": {"resources": [{"kind": "Command", "name": "x"}]},
    "an odd pair": {"resources": [{"kind": "Tap", "name": "x", "only_if": [["mac"]]}]},
    "a problem of four": {"problem": {"code": "x", "message": "y", "x": "z"}},
}


@pytest.mark.parametrize(("expected", "word"), WORDS)
def test_word_arrives_as_it_was(expected: object, word: object) -> None:
    assert _sent(expected, word) == word


def test_vif_arrives_as_it_was(payloads: list[dict[str, Any]]) -> None:
    for payload in payloads:
        vif = parse({}, {**payload, "profile": {"a": [1, {"b": [None, 1.5, True]}]}})
        arrived = _sent(Vif, vif)
        assert arrived == vif
        assert repr(arrived) == repr(vif)


@pytest.fixture
def payloads(payload: Callable[[str], dict[str, Any]]) -> list[dict[str, Any]]:
    return [payload(name) for name in ("tap", "ovs_hybrid", "hw_veb_direct", "bridge_vxlan")]


def test_every_kind_arrives() -> None:
    for kind in answers.kinds():
        fields = {f.name: f for f in dataclasses.fields(kind) if f.init}
        texts = {"name": "x", "peer": "y", "parent": "y", "master": "y", "bridge": "y"}
        values: dict[str, Any] = {k: v for k, v in texts.items() if k in fields}
        values |= {k: 1 for k in ("vid", "vni") if k in fields}
        values |= {"plug": ("a",)} if "plug" in fields else {}
        item = kind(**values)
        assert _sent(Answer, Answer((item,))) == Answer((item,))


@pytest.mark.parametrize("name", NO_ANSWERS)
def test_what_is_no_answer_is_refused(name: str) -> None:
    with pytest.raises((TypeError, ValueError, PluginFailed)):
        answers.checked(serialization.read(Answer, NO_ANSWERS[name]).resources)


def test_details_come_frozen() -> None:
    assert serialization.read(object, {"a": [1, {}]}) == freeze({"a": [1, {}]}, "")


def test_limit_is_for_the_whole_message() -> None:
    """A byte now and then is no sign of life."""
    with _channel() as (ours, other):
        data = json.dumps({"trace": "x" * 10_000}).encode()
        done = threading.Event()

        def drip() -> None:
            for byte in struct.pack("!I", len(data)) + data:
                if done.wait(0.01):
                    return
                other.send(bytes([byte]))

        dripping = threading.Thread(target=drip)
        dripping.start()
        with pytest.raises(TimeoutError):
            ours.receive(Answer, time.monotonic() + 0.3)
        done.set()
        dripping.join()


def test_limit_is_for_being_heard_too() -> None:
    with _channel() as (ours, _), pytest.raises(TimeoutError):
        ours.send("x" * (1 << 22), time.monotonic() + 0.2)


def test_endless_message_is_not_waited_for() -> None:
    with _channel() as (ours, other):
        other.send(struct.pack("!I", (1 << 32) - 1))
        with pytest.raises(ValueError, match="a message of"):
            ours.receive(Answer, time.monotonic() + 5)


def _sent(expected: object, word: object) -> Any:
    with _channel() as (ours, other):
        Channel(other).send(word)
        return ours.receive(expected, time.monotonic() + 5)


@contextlib.contextmanager
def _channel() -> Iterator[tuple[Channel, socket.socket]]:
    ours, other = socket.socketpair()
    with ours, other:
        yield Channel(ours), other
