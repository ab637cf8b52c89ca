"""Where it all happens: a fresh network namespace, a private OVS in it, a scratch directory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.cases import OVS_BRIDGE
from vif_agent.testing.netns import isolate_process
from vif_agent.testing.ovs import PrivateOvs
from vif_agent.testing.rabbit import PrivateRabbit

MEMORY = "kombu+memory://"


@dataclass(frozen=True)
class Place:
    """`db` is the OVSDB endpoint, `transport_url` the bus."""

    scratch: Path
    db: str
    transport_url: str


@contextmanager
def place(rabbit: bool) -> Iterator[Place]:
    """This process leaves the machine's own network for good, and its children with it."""
    isolate_process()
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vif-bench-")))
        url = _rabbit(stack, _room(scratch, "rabbit")) if rabbit else MEMORY
        ovs = stack.enter_context(PrivateOvs(_room(scratch, "ovs")))
        ovs.add_bridge(OVS_BRIDGE)
        yield Place(scratch, ovs.connection, url)


def _rabbit(stack: ExitStack, room: Path) -> str:
    return stack.enter_context(PrivateRabbit(room)).url


def _room(scratch: Path, name: str) -> Path:
    room = scratch / name
    room.mkdir()
    return room
