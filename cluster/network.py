"""Hosts for the nodes: a namespace each, joined by a bridge in ours; names that all can look up."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from vif_agent.testing import netns, processes

_BRIDGE = "br-cluster"
_OURS = "10.77.0.254"


class Host:
    """Of one node; ``name`` is what its certificate says, and what clients call it."""

    def __init__(self, number: int) -> None:
        self.name = f"node{number}"
        self.address = f"10.77.0.{number}"
        self.space = netns.Namespace()
        self._outside = f"to-{self.name}"

    def plug(self) -> None:
        """Into the bridge."""
        _ip("link", "add", self._outside, "type", "veth",
            "peer", "name", "eth0", "netns", self.space.path)  # fmt: skip
        _ip("link", "set", self._outside, "master", _BRIDGE, "up")
        with self.space.entered():
            _ip("address", "add", f"{self.address}/24", "dev", "eth0")
            _ip("link", "set", "eth0", "up")

    @contextlib.contextmanager
    def unheard_by(self, others: Sequence[Host]) -> Iterator[None]:
        """What they and this one say to each other is dropped without a word; clients reach all."""
        addresses = ", ".join(other.address for other in others)
        chains = "".join(
            f"add chain ip partition {hook} {{ type filter hook {hook} priority 0; }}\n"
            f"add rule ip partition {hook} ip {side} {{ {addresses} }} drop\n"
            for hook, side in (("input", "saddr"), ("output", "daddr"))
        )
        self._nft(f"add table ip partition\n{chains}")
        try:
            yield
        finally:
            self._nft("delete table ip partition")

    @contextlib.contextmanager
    def cut_off(self) -> Iterator[None]:
        """From everybody, as when its cable is out."""
        _ip("link", "set", self._outside, "down")
        try:
            yield
        finally:
            _ip("link", "set", self._outside, "up")

    def _nft(self, commands: str) -> None:
        with self.space.entered():
            processes.run(("nft", commands), os.environ)


def hosts(count: int, directory: Path) -> list[Host]:
    """In an isolated process: the names are in its /etc/hosts alone."""
    _ip("link", "add", _BRIDGE, "type", "bridge")
    _ip("address", "add", f"{_OURS}/24", "dev", _BRIDGE)
    _ip("link", "set", _BRIDGE, "up")
    made = [Host(number) for number in range(1, count + 1)]
    for host in made:
        host.plug()
    names = directory / "hosts"
    known = "".join(f"{host.address} {host.name}\n" for host in made)
    names.write_text(Path("/etc/hosts").read_text() + "\n" + known)
    netns.bind_file(names, Path("/etc/hosts"))
    return made


def _ip(*words: str) -> None:
    processes.run(("ip", *words), os.environ)
