"""Casts that are not refused, on a real kernel and Open vSwitch, beside things of others."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

from fuzz.mutations import Seeds, mutated
from fuzz.place import Place
from fuzz.witness import Witness
from tests.support.bystanders import NIC, Bystanders
from tests.support.real_host import ip
from vif_agent.bus import casts
from vif_agent.bus.casts import Refusal
from vif_agent.testing.host import ScratchHost
from vif_agent.testing.plugging import real_host

PORTS = 40
BATCH = 40
CLEAR_EVERY = 10  # batches


def run(seed: int, count: int, witness: Witness) -> Counter[str]:
    """In a network namespace of its own: see netns.isolate_process."""
    with ScratchHost() as scratch, real_host(scratch) as host:
        ids = [vif["id"] for vif in Seeds(PORTS).vifs]
        with Bystanders(scratch.ovs, ids[0], ids[1]) as others:
            ip("addr", "add", "192.0.2.77/24", "dev", NIC)
            ip("route", "add", "default", "via", "192.0.2.1", "dev", NIC)
            others.touched()
            before = _addresses_and_routes()
            place = Place(Path(scratch.directory), host, ["br-int"])
            seeds = Seeds(PORTS)
            for batch, start in enumerate(range(0, count, BATCH)):
                witness.doing = f"real host, seed {seed}, casts from {start}"
                dice = random.Random(f"{seed} real {start}")
                place.take(_good(seeds, dice, min(BATCH, count - start)))
                place.tally["casts"] += min(BATCH, count - start)
                place.rest()
                if batch % CLEAR_EVERY == CLEAR_EVERY - 1:
                    place.unplug_all()
                _look(witness, others, before)
            place.unplug_all()
            _look(witness, others, before)
            place.close()
    return place.tally


def _good(seeds: Seeds, dice: random.Random, count: int) -> list[dict[str, object]]:
    """The others change nothing, and have been sent by the hundred thousand."""
    good: list[dict[str, object]] = []
    while len(good) < count:
        cast = mutated(seeds.cast(dice), dice)
        if not isinstance(casts.read(cast.get("context"), cast["message"]), Refusal):
            good.append(cast)
    return good


def _look(witness: Witness, others: Bystanders, before: object) -> None:
    if touched := others.touched():
        witness.crash(f"what is not ours was changed: {touched[:5]}")
    if (now := _addresses_and_routes()) != before:
        witness.crash(f"addresses or routes of others: {before}, now {now}")


def _addresses_and_routes() -> object:
    """Of the card that is not ours, and of the host; not those that the kernel makes for ours."""
    card = json.loads(ip("-j", "addr", "show", "dev", NIC))
    addresses = [address["local"] for address in card[0]["addr_info"]]
    routes = json.loads(ip("-j", "route", "show", "dev", NIC))
    return addresses, sorted(route["dst"] for route in routes)
