"""Links of a host in memory: what the privileged helper and the kernel do with a plan's steps."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from tests.support.fake_things import Things
from tests.support.faults import Fault, Faults
from vif_agent.errors import NotYet, Problem
from vif_agent.plan.steps import CHANGE, REMAKE, Step
from vif_agent.resources import LINK, NO_MAC, Key, Link, Nic, Tap, Veth, Vlan

_SYSCTLS = {"disable_ipv6", "arp_ignore", "arp_announce"}


def create(things: Things, faults: Faults, steps: Sequence[Step]) -> dict[Key, Problem]:
    """Removals for a remake, taps one by one, one send, sysctls one by one, one send."""
    if not steps:
        return {}
    round_ = _Growth(things, faults, steps)
    round_.create()
    return round_.failures


def delete(things: Things, faults: Faults, steps: Sequence[Step]) -> dict[Key, Problem]:
    """One message; where the kernel refuses one device, each goes by itself."""
    if not steps:
        return {}
    faults.piece()
    met = faults.of(steps)
    remove_found(things, [s for s in steps if s.key not in met or met[s.key].half])
    return {key: fault.problem for key, fault in met.items()}


def remove_found(things: Things, steps: Iterable[Step]) -> None:
    """By index: a name may have a new bearer by now."""
    for step in steps:
        living = things.things.get(step.key)
        if living and step.found and living.index == step.found.index:
            things.remove(step.key)


class _Growth:
    def __init__(self, things: Things, faults: Faults, steps: Sequence[Step]) -> None:
        self.failures: dict[Key, Problem] = {}
        self._things, self._faults, self._steps = things, faults, steps
        self._met: Mapping[Key, Fault] = faults.of(steps)
        self._new = {s.key: s for s in steps if s.verb != CHANGE}
        self._made: set[Key] = set()

    def create(self) -> None:
        self._faults.piece()
        for step in self._steps:
            if step.found and step.found.called and not self._refused(step):
                self._things.rename(Key(LINK, step.found.called), step.key.name)
        self._faults.piece()
        remakes = [s for s in self._steps if s.verb == REMAKE and not self._refused(s)]
        remove_found(self._things, remakes)
        for step in self._new.values():
            if isinstance(step.resource, Tap):
                self._faults.piece()
                self._create(step)
        self._faults.piece()
        self._send()
        for step in self._steps:
            self._faults.piece()
            self._write(step, _SYSCTLS)
        self._faults.piece()
        for step in self._steps:
            self._write(step, {"up"})

    def _refused(self, step: Step) -> bool:
        fault = self._met.get(step.key)
        return fault is not None and not fault.half

    def _send(self) -> None:
        for step in sorted(self._new.values(), key=lambda s: s.resource.kind != "bridge"):
            if not isinstance(step.resource, Tap):
                self._create(step)
        for key in self._made:
            self._things.owner(key, self._new[key].owner)
        for step in self._steps:
            self._set(step)
        for step in self._steps:  # what fails for want of its bridge fails as the bridge did
            master = Key(LINK, str(step.resource.specified().get("master")))
            if step.key in self.failures and master in self.failures:
                self.failures[step.key] = self.failures[master]

    def _create(self, step: Step) -> None:
        """The bare device. A veth's other end is made with it, and refuses nothing by itself."""
        link = step.resource
        assert isinstance(link, Link)
        if isinstance(link, Veth) and self._made_by_peer(link):
            return
        fault = self._met.get(link.key)
        if fault and (step.verb == REMAKE or not fault.half):
            self.failures[link.key] = fault.problem
        elif link.key in self._things.things:
            self._fail(step, "File exists [EEXIST]")
        elif isinstance(link, Vlan) and Key(LINK, link.parent) not in self._things.things:
            self._fail(step, "No such device [ENODEV]")
        else:
            self._add(_bare(link))
            if isinstance(link, Tap):  # tagged before it is made to last
                self._things.owner(link.key, step.owner)
            if isinstance(link, Veth):
                self._add(Veth(name=link.peer, peer=link.name, up=False))

    def _made_by_peer(self, link: Veth) -> bool:
        return link.peer < link.name and Key(LINK, link.peer) in self._new

    def _add(self, link: Link) -> None:
        self._things.add_link(link)
        if link.key in self._new:
            self._made.add(link.key)

    def _fail(self, step: Step, text: str) -> None:
        self.failures.setdefault(step.key, NotYet(f"{step.key.name}: {text}").problem)

    def _set(self, step: Step) -> None:
        """All but sysctls and "up". A fault that has not struck yet is met here."""
        if step.key in self.failures:
            return
        if fault := self._met.get(step.key):
            self.failures[step.key] = fault.problem
            if fault.half and step.verb == CHANGE:
                self._put(step, _half(step, self._fields(step)))
            return
        self._write(step, self._fields(step).keys() - _SYSCTLS - {"up"})
        if step.key not in self.failures and not step.resource.external:
            self._things.owner(step.key, step.owner)

    def _write(self, step: Step, names: Collection[str]) -> None:
        if step.key not in self.failures:
            self._put(step, {k: v for k, v in self._fields(step).items() if k in names})

    def _put(self, step: Step, fields: Mapping[str, Any]) -> None:
        master = fields.get("master")
        if not self._lives(step) or (master and Key(LINK, str(master)) not in self._things.things):
            self._fail(step, "No such device [ENODEV]")
        else:
            self._things.change(step.key, **fields)

    def _fields(self, step: Step) -> dict[str, Any]:
        """All wanted fields of a new device, only the differing ones of a living one."""
        specified = step.resource.specified()
        differing = {d.field for d in step.differences} if step.verb == CHANGE else specified.keys()
        return {k: v for k, v in specified.items() if k in differing}

    def _lives(self, step: Step) -> bool:
        """The very device that was found, or that was made here: a name may have a new bearer."""
        if step.verb != CHANGE:
            return step.key in self._made
        living = self._things.things.get(step.key)
        return bool(living and step.found and living.index == step.found.index)


def _first_half(fields: Mapping[str, Any]) -> dict[str, Any]:
    """In the order in which they are set: a VF's MAC before all else, or after it when it goes."""
    mac = {"mac": fields["mac"]} if "mac" in fields else {}
    others = {k: v for k, v in fields.items() if k != "mac"}
    ordered = {**others, **mac} if mac.get("mac") == NO_MAC else {**mac, **others}
    return dict(list(ordered.items())[: (len(ordered) + 1) // 2])


def _half(step: Step, fields: dict[str, Any]) -> dict[str, Any]:
    """A NIC has its addresses before it leaves its bridge, and leaves them after it has joined."""
    if isinstance(step.resource, Nic):
        first = "master" if step.resource.master else "addressed"
        return {k: v for k, v in fields.items() if k == first}
    return _first_half(fields)


def _bare(link: Link) -> Link:
    return type(link)(name=link.name, up=False, **{f: getattr(link, f) for f in link.immutable})
