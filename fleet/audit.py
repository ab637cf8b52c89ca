"""Is of all that was cast nothing lost? Asked of each agent, by its calls."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import oslo_messaging

from fleet.region import Region
from fleet.wishes import Wish
from vif_agent import bus
from vif_agent.ports.port import READY, UNPLUGGED

_PATIENCE = 120.0  # seconds for what is being done yet


def lost(region: Region) -> list[str]:
    """What is not as the last cast for it asks; and what is left in a queue."""
    deadline = time.monotonic() + _PATIENCE
    with ThreadPoolExecutor(4) as pool:
        while True:
            found = [line for lines in pool.map(lambda host: _of(region, host), region.hosts)
                     for line in lines]  # fmt: skip
            found += _left(region)
            if not found or time.monotonic() > deadline:
                return found
            time.sleep(1)


def _of(region: Region, host: str) -> list[str]:
    try:
        views = region.api.list_vifs({}, host, unplugged=True)
    except oslo_messaging.MessagingException as error:
        return [f"{host} does not answer: {error}"]
    known = {view["port_id"]: view for view in views}
    wishes = region.wishes.of(host)
    problems = [
        f"{host}, port {port_id}: {why}"
        for port_id, wish in wishes.items()
        if (why := wrong(wish, known.get(port_id)))
    ]
    more = [i for i, view in known.items() if i not in wishes and view["state"] != UNPLUGGED]
    return problems + [f"{host}, port {port_id}: nobody has cast it" for port_id in more]


def wrong(wish: Wish, view: dict[str, Any] | None) -> str:
    """A port that a full set has left as it was keeps its generation."""
    wanted = READY if wish.plugged else UNPLUGGED
    if view is None:
        return f"unknown, and should be {wanted}"
    if view["generation"] < wish.generation:
        return f"the cast {wish.generation} has not come, it is at {view['generation']}"
    return "" if view["state"] == wanted else f"{view['state']}, not {wanted}: {view['error']}"


def _left(region: Region) -> Iterator[str]:
    table = region.rabbit.ctl("-q", "--no-table-headers", "list_queues", "name", "messages")
    for line in table.splitlines():
        name, length = line.rsplit("\t", 1)
        if name.startswith(f"{bus.CAST_TOPIC}.") and int(length):
            yield f"queue {name}: {length} casts are not acknowledged"
