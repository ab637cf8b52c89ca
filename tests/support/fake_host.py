"""A host in memory that keeps the contract of ``vif_agent.host.Host``, with faults to order.

It does what the kernel and Open vSwitch do with a plan, in the same order and in the same
indivisible pieces, so a crash can be put between any two of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TypeAlias

from tests.support import fake_glimpse, fake_guards, fake_kernel, fake_switch
from tests.support.fake_things import Things
from tests.support.fake_vendor import Vendor
from tests.support.faults import Faults
from vif_agent.errors import NotConfigured, NotYet, OvsdbUnavailable, Problem
from vif_agent.host.commands import Commands, Limits
from vif_agent.plan import steps
from vif_agent.plan.steps import Actual, Plan, Step
from vif_agent.resources import LINK, OVS_PORT, OVS_SPACES, Key, Link
from vif_agent.topology.facts import Glimpse

OnChange: TypeAlias = Callable[[frozenset[Key] | None], None]

_LOST = OvsdbUnavailable("ovsdb: not connected").problem


class FakeHost(Things, Faults):
    """``plans``: what was applied; ``forgets``: what somebody removes after each time; ``places``:
    (what, PCI address) to the name of what is there."""

    def __init__(self, links: Iterable[Link] = ()) -> None:
        Things.__init__(self, links)
        Faults.__init__(self)
        self.plans: list[Plan] = []
        self.forgets: set[Key] = set()
        self.pci_names: dict[tuple[str, str], str] = {}
        self.not_for_ports: set[str] = set()
        self._ovsdb_lost = False
        self._hung: list[Step] | None = None  # the transaction it was sent, if it hangs
        self._listeners: list[OnChange] = []
        self._vendor = Vendor(self, self)
        self.link_events = {"lost": 0, "missing": 0}
        self.guards = fake_guards.FakeGuards(self)
        self.new_process()

    def new_process(self) -> None:
        """With no memory of what was run."""
        vendor = self._vendor
        self.commands = Commands(Limits(), self._tell, vendor.run, vendor.spawn)

    # -- the contract ------------------------------------------------------------------------

    def start(self) -> None:
        self._tell(None)

    def stop(self) -> None:
        self._listeners.clear()

    def on_change(self, listener: OnChange) -> None:
        self._listeners.append(listener)

    def read(
        self,
        keys: Collection[Key],
        members_of: Collection[Key] = (),
        indexes: Collection[int] = (),
        going: Collection[Key] = (),
        made: Collection[Key] = (),
    ) -> Actual:
        with_ovs = any(key.space in OVS_SPACES for key in keys)
        called = {key for key, found in self.things.items() if found.index in indexes}
        return self._seen({*keys, *called}, with_ovs, members_of)

    def glimpse(self) -> Glimpse:
        away = _LOST.message if self._ovsdb_lost or self._hung else ""
        return fake_glimpse.glimpse(self.snapshot().values(), away)

    def read_all(self, keys: Collection[Key]) -> Actual:
        tagged = {key for key, found in self.things.items() if found.owner}
        broken = {key for key in self.things if self.is_broken(key)}
        devices = {Key(LINK, key.name) for key in (*keys, *tagged, *broken) if key.space != LINK}
        shown = {*keys, *tagged, *broken, *devices}
        return self._seen(shown, True, shown)

    def apply(self, plan: Plan) -> dict[Key, Problem]:
        self.plans.append(plan)
        failures = fake_guards.write(self, self, steps.guard_steps(plan))
        failures |= fake_kernel.create(self, self, steps.device_steps(plan, failures))
        connect = steps.connect_steps(plan, failures)
        failures |= self._connect(connect)
        failures |= self._vendor.apply(self.commands, steps.run_steps(plan, failures))
        deleted = steps.delete_steps(plan, failures)
        failures |= fake_kernel.delete(self, self, deleted)
        going = steps.unguard_steps(plan, failures, deleted)
        failures |= fake_guards.write(self, self, going)
        self.piece()
        for key in self.forgets:
            self.remove(key)
        made = {s.key for s in connect if s.key.space == OVS_PORT and s.key not in failures}
        self._tell(frozenset(key for key in made if key.name not in self.unready))
        return failures

    def look_up(self, what: str, address: str) -> str:
        if address in self.not_for_ports:
            raise NotConfigured(f"{address} is a virtual function of eth9, which is not")
        if (what, address) not in self.pci_names:
            raise NotYet(f"{address}: it has no {what} now")
        return self.pci_names[what, address]

    # -- what others do on the host ------------------------------------------------------------

    def lose_ovsdb(self) -> None:
        self._ovsdb_lost = True

    def find_ovsdb(self) -> None:
        self._ovsdb_lost = False
        self._tell(None)

    def hang_ovsdb(self) -> None:
        """It answers nothing. What it is sent first is done all the same, when it goes on; who has
        given that up asks it nothing more until then."""
        self._hung = []

    def resume_ovsdb(self) -> None:
        sent, self._hung = self._hung or [], None
        fake_switch.connect(self, self, sent)
        self._tell(frozenset(step.key for step in sent))

    def hold_back(self, *names: str, error: str = "") -> None:
        """Open vSwitch gives these interfaces no ofport, now or when they come."""
        self.unready |= dict.fromkeys(names, error)

    def take_in(self, *names: str) -> None:
        for name in names:
            self.unready.pop(name, None)
        self._tell(frozenset(Key(OVS_PORT, name) for name in names))

    def hold_commands(self) -> None:
        """They run until ``end_commands``."""
        self._vendor.held = True

    def end_commands(self) -> None:
        self._vendor.end()

    def _tell(self, keys: frozenset[Key] | None) -> None:
        if keys is None or keys:
            for listener in self._listeners:
                listener(keys)

    def _seen(
        self, keys: Iterable[Key], with_ovs: bool, members_of: Collection[Key] = ()
    ) -> Actual:
        lost = with_ovs and (self._ovsdb_lost or bool(self._hung))
        seen = [k for k in keys if k in self.things and not (lost and k.space in OVS_SPACES)]
        found = {k: self.shown(k, k in members_of or k.space in OVS_SPACES) for k in seen}
        return Actual(found, dict.fromkeys(OVS_SPACES, _LOST) if lost else {})

    def _connect(self, steps: Sequence[Step]) -> dict[Key, Problem]:
        if not steps:
            return {}
        self.piece()
        if self._hung == []:
            self._hung = [*steps]
            self.hits += 1
        if self._ovsdb_lost or self._hung:
            return {step.key: _LOST for step in steps}
        return fake_switch.connect(self, self, steps)
