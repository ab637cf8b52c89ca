"""A host in memory that keeps the contract of ``vif_agent.host.Host``, with faults to order.

It does what the kernel and Open vSwitch do with a plan, in the same order and in the same
indivisible pieces, so a crash can be put between any two of them.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, TypeAlias

from vif_agent.errors import HostRefused, NotYet, OvsdbUnavailable, Problem
from vif_agent.ownership import MARK, SHARED, Found, iface_id
from vif_agent.plan import CHANGE, MAKE, REMAKE, REMOVE, Actual, Plan, Step
from vif_agent.resources import (
    LINK,
    OVS_BRIDGE,
    OVS_PORT,
    OVS_SPACES,
    Key,
    Link,
    OvsBridge,
    OvsPort,
    Resource,
    Tap,
    Veth,
    Vlan,
)

Match: TypeAlias = Key | Callable[[Step], bool]
OnChange: TypeAlias = Callable[[frozenset[Key] | None], None]

#: what a new device has by itself
_BARE: dict[str, Any] = {
    "mtu": 1500, "up": False, "promisc": False, "disable_ipv6": False, "multi_queue": False,
    "forward_delay": 15, "ageing": 300, "stp": False, "mcast_snooping": True, "arp_ignore": 0,
    "arp_announce": 0,
}  # fmt: skip
_LOST = OvsdbUnavailable("ovsdb: not connected").problem
_SYSCTLS = {"disable_ipv6", "arp_ignore", "arp_announce"}


class Crash(Exception):
    """The process was killed here."""


@dataclasses.dataclass
class _Fault:
    match: Match
    problem: Problem
    times: int

    def hits(self, step: Step) -> bool:
        hit = self.match(step) if callable(self.match) else self.match == step.key
        self.times -= hit
        return hit


class FakeHost:
    """``plans``: what was applied; ``isolated``: OVS ports that were born in the dead VLAN."""

    def __init__(self, links: Iterable[Link] = ()) -> None:
        self.plans: list[Plan] = []
        self.isolated: set[str] = set()
        self.forgets: set[Key] = set()
        self._ovsdb_lost = False
        self._things: dict[Key, Found] = {}
        self._indexes = itertools.count(2)
        self._unready: dict[str, str] = {}
        self._faults: list[_Fault] = []
        self._fuse: int | None = None
        self._listeners: list[OnChange] = []
        for link in links:
            self.add_link(link)

    # -- the contract ------------------------------------------------------------------------

    def start(self) -> None:
        self._tell(None)

    def stop(self) -> None:
        self._listeners.clear()

    def on_change(self, listener: OnChange) -> None:
        self._listeners.append(listener)

    def read(self, keys: Collection[Key], members_of: Collection[Key] = ()) -> Actual:
        with_ovs = any(key.space in OVS_SPACES for key in keys)
        return self._seen(keys, with_ovs, members_of)

    def read_all(self, keys: Collection[Key]) -> Actual:
        stamped = {key for key, found in self._things.items() if found.stamp}
        broken = {key for key, found in self._things.items() if self._is_broken(key, found)}
        devices = {Key(LINK, key.name) for key in (*keys, *stamped, *broken) if key.space != LINK}
        shown = {*keys, *stamped, *broken, *devices}
        return self._seen(shown, True, shown)

    def apply(self, plan: Plan) -> dict[Key, Problem]:
        self.plans.append(plan)
        failures = self._grow(plan.grow)
        failed_ports = {p for s in plan.grow if s.key in failures for p in s.ports}
        wire = [s for s in plan.wire if not s.ports or not failed_ports.issuperset(s.ports)]
        failures |= self._wire(wire)
        still_wired = {s.owner for s in plan.wire if s.key in failures}
        failures |= self._shrink([s for s in plan.shrink if s.owner not in still_wired])
        self._piece()
        for key in self.forgets:
            self.remove(key)
        made = {s.key for s in wire if s.key.space == OVS_PORT and s.key not in failures}
        self._tell(frozenset(key for key in made if key.name not in self._unready))
        return failures

    # -- what others do on the host ------------------------------------------------------------

    def add_link(self, resource: Link, stamp: str | None = None, held: bool = False) -> None:
        fields = {k: v for k, v in _BARE.items() if getattr(resource, k, 0) is None}
        index = next(self._indexes)
        if resource.mac is None:
            fields["mac"] = f"02:00:00:00:{index >> 8:02x}:{index & 255:02x}"
        link = dataclasses.replace(resource, shared=False, **fields)
        self._things[link.key] = Found(link, stamp=stamp, index=index, held=held)

    def add_ovs(
        self,
        resource: OvsBridge | OvsPort,
        stamp: str | None = None,
        others: frozenset[str] = frozenset(),
    ) -> None:
        row: Resource
        if isinstance(resource, OvsBridge):
            datapath = resource.datapath_type or "system"
            row = dataclasses.replace(resource, shared=False, datapath_type=datapath)
            local = OvsPort(name=row.name, bridge=row.name, interface_type="internal", options=())
            self._things[local.key] = Found(local)
        else:
            row = _port_row(resource, stamp)
        self._things[row.key] = Found(row, stamp=stamp, others=others)

    def remove(self, key: Key) -> None:
        """With all that goes with it: a veth's other end, a device's VLANs, a bridge's ports."""
        self._things.pop(key, None)
        for other, thing in list(self._things.items()):
            if _goes_with(thing.resource, key):
                self.remove(other)
            elif other in self._things and _is_slave(thing.resource, key):
                self.change(other, master=None)

    def change(self, key: Key, **fields: Any) -> None:
        found = self._things[key]
        resource = dataclasses.replace(found.resource, **fields)
        self._things[key] = dataclasses.replace(found, resource=resource)

    def snapshot(self) -> dict[Key, Found]:
        return {key: self._shown(key) for key in self._things}

    def fail_next(self, match: Match, problem: Problem, times: int = 1) -> None:
        """The next ``times`` steps that match (by key, or by a predicate) fail."""
        self._faults.append(_Fault(match, problem, times))

    def lose_ovsdb(self) -> None:
        self._ovsdb_lost = True

    def find_ovsdb(self) -> None:
        self._ovsdb_lost = False
        self._tell(None)

    def hold_back(self, *names: str, error: str = "") -> None:
        """Open vSwitch gives these interfaces no ofport, now or when they come."""
        self._unready |= dict.fromkeys(names, error)

    def take_in(self, *names: str) -> None:
        for name in names:
            self._unready.pop(name, None)
        self._tell(frozenset(Key(OVS_PORT, name) for name in names))

    def crash_after(self, pieces: int) -> None:
        """Die in ``apply`` when so many indivisible pieces of it are done."""
        self._fuse = pieces

    def _piece(self) -> None:
        if self._fuse == 0:
            self._fuse = None
            raise Crash
        if self._fuse is not None:
            self._fuse -= 1

    def _is_broken(self, key: Key, found: Found) -> bool:
        error = self._unready.get(key.name) if key.space == OVS_PORT else ""
        return bool(error and iface_id(found.resource))

    def _failing(self, steps: Iterable[Step]) -> dict[Key, Problem]:
        failures = {}
        for step in steps:
            fault = next((f for f in self._faults if f.times > 0 and f.hits(step)), None)
            if fault:
                failures[step.key] = fault.problem
        return failures

    def _tell(self, keys: frozenset[Key] | None) -> None:
        if keys is None or keys:
            for listener in self._listeners:
                listener(keys)

    def _seen(
        self, keys: Iterable[Key], with_ovs: bool, members_of: Collection[Key] = ()
    ) -> Actual:
        lost = with_ovs and self._ovsdb_lost
        seen = [k for k in keys if k in self._things and not (lost and k.space in OVS_SPACES)]
        found = {k: self._shown(k, k in members_of or k.space in OVS_SPACES) for k in seen}
        return Actual(found, dict.fromkeys(OVS_SPACES, _LOST) if lost else {})

    def _shown(self, key: Key, with_members: bool = True) -> Found:
        members = {k.name for k, f in self._things.items() if _is_member(f.resource, key)}
        error = self._unready.get(key.name) if key.space == OVS_PORT else None
        master = getattr(self._things[key].resource, "master", None)
        bridge = self._things.get(Key(LINK, master)) if master else None
        return dataclasses.replace(
            self._things[key],
            members=frozenset(members) if with_members else frozenset(),
            ready=error is None,
            error=error or "",
            in_shared=bridge is not None and bridge.stamp == SHARED,
        )

    def _grow(self, steps: Sequence[Step]) -> dict[Key, Problem]:
        """Removals for a remake, taps one by one, one send, sysctls one by one, one send."""
        if not steps:
            return {}
        failures = self._failing(steps)
        todo = [s for s in steps if s.key not in failures]
        self._piece()
        self._remove_found(s for s in todo if s.verb == REMAKE)
        for step in todo:
            if isinstance(step.resource, Tap) and step.verb != CHANGE:
                self._piece()
                self._create(step, failures)
        self._piece()
        self._send(todo, failures)
        for step in todo:
            self._piece()
            self._write(step, failures, _SYSCTLS)
        self._piece()
        for step in todo:
            self._write(step, failures, {"up"})
        return failures

    def _send(self, steps: Sequence[Step], failures: dict[Key, Problem]) -> None:
        for step in sorted(steps, key=lambda s: s.resource.kind != "bridge"):
            if step.verb != CHANGE and not isinstance(step.resource, Tap):
                self._create(step, failures, {s.key for s in steps})
        for step in steps:
            names = {f.name for f in dataclasses.fields(step.resource)} - _SYSCTLS - {"up"}
            self._write(step, failures, names, stamp=step.owner)

    def _create(
        self, step: Step, failures: dict[Key, Problem], all_keys: Collection[Key] = ()
    ) -> None:
        link = step.resource
        assert isinstance(link, Link)
        if isinstance(link, Veth) and link.peer < link.name and Key(LINK, link.peer) in all_keys:
            return  # one message makes both ends
        if link.key in self._things:
            failures[link.key] = NotYet(f"{link.name}: File exists [EEXIST]").problem
        elif isinstance(link, Vlan) and Key(LINK, link.parent) not in self._things:
            failures[link.key] = NotYet(f"{link.name}: No such device [ENODEV]").problem
        else:
            self.add_link(_bare(link))
            if isinstance(link, Veth):
                self.add_link(Veth(name=link.peer, peer=link.name, up=False))

    def _write(
        self,
        step: Step,
        failures: dict[Key, Problem],
        names: Collection[str],
        stamp: str | None = None,
    ) -> None:
        """All wanted fields of a new device, only the differing ones of a living one."""
        if step.key in failures:
            return
        differing = {d.field for d in step.differences} if step.verb == CHANGE else names
        judged = step.resource.judged().items()
        fields = {k: v for k, v in judged if k in names and k in differing}
        peer = Key(LINK, getattr(step.resource, "peer", ""))
        if step.verb != CHANGE and peer in failures:  # the pair was not made: this is another's
            failures[step.key] = NotYet(f"{step.key.name}: No such device [ENODEV]").problem
            return
        master = fields.get("master")
        if step.key not in self._things or (master and Key(LINK, str(master)) not in self._things):
            failures[step.key] = NotYet(f"{step.key.name}: No such device [ENODEV]").problem
            return
        self.change(step.key, **fields)
        if stamp:
            self._things[step.key] = dataclasses.replace(self._things[step.key], stamp=stamp)

    def _shrink(self, steps: Sequence[Step]) -> dict[Key, Problem]:
        """One message: a failure is everybody's."""
        if not steps:
            return {}
        self._piece()
        failures = self._failing(steps)
        if failures:
            problem = next(iter(failures.values()))
            return {step.key: problem for step in steps}
        self._remove_found(steps)
        return {}

    def _remove_found(self, steps: Iterable[Step]) -> None:
        """By index: a name may have a new bearer by now."""
        for step in steps:
            living = self._things.get(step.key)
            if living and step.found and living.index == step.found.index:
                self.remove(step.key)

    def _wire(self, steps: Sequence[Step]) -> dict[Key, Problem]:
        """One transaction; what it refuses is tried again group by group."""
        if not steps:
            return {}
        self._piece()
        if self._ovsdb_lost:
            return {step.key: _LOST for step in steps}
        problems = {_group(s): p for s in steps for p in self._failing([s]).values()}
        failures = {s.key: problems[_group(s)] for s in steps if _group(s) in problems}
        good = [step for step in steps if step.key not in failures]
        before, isolated = dict(self._things), set(self.isolated)
        try:
            for step in good:
                self._write_row(step)
        except (NotYet, HostRefused) as error:
            self._things, self.isolated = before, isolated
            return failures | {step.key: error.problem for step in good}
        return failures

    def _write_row(self, step: Step) -> None:
        resource = step.resource
        if step.verb in (REMOVE, REMAKE):
            self._living(step.key)
            self.remove(step.key)
        if step.verb == CHANGE:
            self._change_row(step)
        elif step.verb != REMOVE:
            assert isinstance(resource, OvsBridge | OvsPort)
            if isinstance(resource, OvsPort):
                self._living(Key(OVS_BRIDGE, resource.bridge))
            if step.verb == MAKE and step.key in self._things:
                raise HostRefused(f"ovsdb: constraint violation: {step.key.name} exists")
            self.add_ovs(resource, step.owner)
            if isinstance(resource, OvsPort) and resource.isolate:
                self.isolated.add(resource.name)

    def _change_row(self, step: Step) -> None:
        found, wanted = self._living(step.key), step.resource
        fields: dict[str, Any] = {}
        for difference in step.differences:
            if difference.field == "stamp":
                continue
            value = getattr(wanted, difference.field)
            if difference.field in wanted.maps:
                have = getattr(found.resource, difference.field) or ()
                value = tuple(sorted({**dict(have), **dict(value)}.items()))
            fields[difference.field] = value
        self.change(step.key, **fields)
        row = self._things[step.key].resource
        if isinstance(row, OvsPort):
            ids = tuple(sorted({**dict(row.external_ids), MARK: step.owner}.items()))
            row = dataclasses.replace(row, external_ids=ids)
            self._things[step.key] = dataclasses.replace(found, resource=row, stamp=step.owner)

    def _living(self, key: Key) -> Found:
        if key not in self._things:
            raise NotYet(f"OVSDB: {key.space} {key.name} has gone meanwhile")
        return self._things[key]


def _bare(link: Link) -> Link:
    return type(link)(name=link.name, up=False, **{f: getattr(link, f) for f in link.fixed})


def _group(step: Step) -> tuple[str, ...]:
    return step.ports or (step.owner,)


def _port_row(port: OvsPort, stamp: str | None) -> OvsPort:
    mark = {MARK: stamp} if stamp else {}
    return dataclasses.replace(
        port,
        shared=False,
        interface_type=port.interface_type or "",
        external_ids=tuple(sorted({**dict(port.external_ids), **mark}.items())),
        options=port.options or (),
        isolate=False,
        wait_ofport=True,
    )


def _goes_with(resource: Resource, key: Key) -> bool:
    if isinstance(resource, OvsPort):
        return key == Key(OVS_BRIDGE, resource.bridge)
    if key.space != LINK:
        return False
    return key.name in (getattr(resource, "peer", ""), getattr(resource, "parent", ""))


def _is_member(resource: Resource, key: Key) -> bool:
    if isinstance(resource, OvsPort):
        return key == Key(OVS_BRIDGE, resource.bridge) and resource.name != key.name
    return _is_slave(resource, key)


def _is_slave(resource: Resource, key: Key) -> bool:
    return key.space == LINK and getattr(resource, "master", None) == key.name
