"""The host as the engine sees it: read it, and apply a plan to it."""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

from vif_agent.errors import NotYet, Problem, VifAgentError
from vif_agent.health import Probe
from vif_agent.helper import calls
from vif_agent.helper.process import helper
from vif_agent.host import vfs
from vif_agent.host.bridge_firewall import BridgeFirewall
from vif_agent.host.bridge_memory import BridgeMemory
from vif_agent.host.commands import Commands, Limits
from vif_agent.host.counted import Counted
from vif_agent.host.guard_watch import GuardWatch
from vif_agent.host.guarding import Guarding
from vif_agent.host.guards import Guards
from vif_agent.host.netlink import links
from vif_agent.host.netlink.event_socket import Events
from vif_agent.host.netlink.events import LinkEvents
from vif_agent.host.ovs.ovsdb import OnChange, Ovsdb
from vif_agent.host.pci import Pci
from vif_agent.ownership import Found
from vif_agent.plan import steps
from vif_agent.plan.steps import Actual, Plan, Step
from vif_agent.resources import GUARD, LINK, OVS_BRIDGE, OVS_PORT, OVS_SPACES, VF, Key, Link
from vif_agent.topology.facts import Glimpse

LOG = logging.getLogger(__name__)


class RealHost:
    """Kernel by netlink and ioctl (changed in the privileged process), Open vSwitch by OVSDB.

    ``sysfs``: where PCI devices are looked up. ``cards``: those whose VFs are for ports.
    ``events``: of the kernel, opened while we had the capability to have room for them.
    ``guarding``: by which table ports are guarded; None: by none.
    """

    def __init__(
        self,
        ovsdb_connection: str,
        ovsdb_timeout: float,
        sysfs: Path = Path("/sys"),
        limits: Limits | None = None,
        cards: Sequence[str] = ("*",),
        events: Events | None = None,
        guarding: Guarding | None = None,
    ) -> None:
        self._pci = Pci(sysfs, cards)
        self._listeners: list[OnChange] = []
        #: for metrics
        self.counted = Counted()
        self._ovsdb = Ovsdb(ovsdb_connection, ovsdb_timeout, self._changed, self.counted)
        self._watch = LinkEvents(self._changed, self._vfs_at, events)
        self._memory = BridgeMemory(self._watch.replica.addresses)
        self._firewall = BridgeFirewall()
        self.guards = Guards(guarding or Guarding(), self._changed)
        self._guard_watch = GuardWatch(
            self.guards, guarding.events if guarding else None, self.counted
        )
        self.commands = Commands(limits or Limits(), self._changed)

    def remember(self, links: Mapping[str, tuple[int, str, str]]) -> None:
        """Of an earlier process, by name: index, kind and owner of links that were ours. It must
        come before anybody is heard on the bus: the helper believes it once."""
        with helper(call="remember"):
            calls.remember({index: (kind, owner) for index, kind, owner in links.values()})

    def start(self) -> None:
        """Waits a moment for OVSDB, so that the first look at the host sees all of it."""
        self._watch.start()
        self._guard_watch.start()
        self._ovsdb.start()
        try:
            self._ovsdb.read([])
        except NotYet as error:
            LOG.info("%s", error)  # no more than that: a host may have no Open vSwitch

    def stop(self) -> None:
        """Returns when its threads have ended."""
        self.commands.stop()
        self._ovsdb.stop()
        self._guard_watch.stop()
        self._watch.stop()

    def on_change(self, listener: OnChange, concerns: Callable[[Key], bool] | None = None) -> None:
        """Called with the keys of links and OVS ports that changed; with None: reconcile all.

        ``concerns``: of which links it is to hear; asked on the thread that watches them.
        """
        self._listeners.append(listener)
        self._watch.concerns = concerns or self._watch.concerns

    def on_death(self, call: Callable[[], None]) -> None:
        """When nothing can be changed any more; reading goes on. It is called on a thread of ours,
        and must only take note."""
        helper.on_death(call)

    def on_wait(self, call: Callable[[float], None]) -> None:
        """Before much is to be changed at once: how long that may take at most. On the thread of
        whoever changes it."""
        helper.on_wait(call)

    @property
    def link_events(self) -> Mapping[str, int]:
        """See ``interface``."""
        replica = self._watch.replica
        return {"lost": replica.lost, "missing": replica.missing}

    @property
    def events(self) -> Mapping[str, int]:
        """How many were heard, by who told. Safe on any thread."""
        return {"kernel": self._watch.replica.heard, "ovsdb": self._ovsdb.updates}

    def ports_in(self, bridge: str) -> Mapping[str, int]:
        """Of an OVS bridge: see ``Ovsdb``."""
        return self._ovsdb.ports_in(bridge)

    def signs(self) -> Mapping[str, Probe]:
        """How what it stands on is."""
        return {"ovsdb": self._ovsdb.sign, "helper": helper.sign}

    def read(
        self,
        keys: Collection[Key],
        members_of: Collection[Key] = (),
        indexes: Collection[int] = (),
        going: Collection[Key] = (),
        made: Collection[Key] = (),
    ) -> Actual:
        """See Host."""
        with self.counted.phases.timed("read"):
            return self._read(keys, members_of, indexes, going, made)

    def _read(
        self,
        keys: Collection[Key],
        members_of: Collection[Key],
        indexes: Collection[int],
        going: Collection[Key],
        made: Collection[Key],
    ) -> Actual:
        rows, unknown = self._read_rows(keys, going)
        names = {key.name for key in keys if key.space == LINK}
        bridges = {key.name for key in members_of if key.space == LINK}
        # the device of an OVS bridge that is there is Open vSwitch's, and judged by nobody; to ask
        # for it waits for the lock for links, which ovs-vswitchd holds when ports come
        ovs = {key.name for key in rows if key.space == OVS_BRIDGE}
        ours = {key.name for key in made if key.space == LINK}
        seen = self._watch.read(names, bridges, indexes, ovs, ours) if names else {}
        found = self._seen(seen) if names else {}
        guarded = {key.name for key in keys if key.space == GUARD}
        guards, unseen = self._read_guards(guarded) if guarded else ({}, {})
        return Actual({**found, **self._read_vfs(keys), **rows, **guards}, unknown | unseen)

    def _read_rows(
        self, keys: Collection[Key], going: Collection[Key]
    ) -> tuple[dict[Key, Found], dict[str, Problem]]:
        ovs = [key for key in keys if key.space in OVS_SPACES]
        try:
            return (self._ovsdb.read(ovs, going) if ovs else {}), {}
        except NotYet as error:
            return {}, dict.fromkeys(OVS_SPACES, error.problem)

    def read_all(self, keys: Collection[Key]) -> Actual:
        """See Host."""
        with self.counted.phases.timed("read_all"):
            return self._read_all(keys)

    def _read_all(self, keys: Collection[Key]) -> Actual:
        unknown: dict[str, Problem] = {}
        try:
            rows = self._ovsdb.read_claimed()
            rows |= self._ovsdb.read([key for key in keys if key.space in OVS_SPACES])
        except NotYet as error:
            rows, unknown = {}, dict.fromkeys(OVS_SPACES, error.problem)
        guards, unseen = self._read_guards()
        names = {key.name for key in keys if key.space == LINK}
        names |= {key.name for key in (*rows, *guards) if key.space in (OVS_PORT, GUARD)}
        found = self._seen(self._watch.read_all(names), everything=True)
        return Actual({**found, **self._read_vfs(keys), **rows, **guards}, unknown | unseen)

    def glimpse(self) -> Glimpse:
        """All links and OVS rows, for a picture."""
        try:
            (bridges, ports), away = self._ovsdb.glimpse(), ""
        except NotYet as error:
            bridges, ports, away = (), (), str(error)
        return Glimpse(tuple(self._watch.glimpse()), bridges, ports, away)

    def _read_guards(
        self, names: Collection[str] | None = None
    ) -> tuple[dict[Key, Found], dict[str, Problem]]:
        try:
            return self.guards.read(names), {}
        except NotYet as error:
            return {}, {GUARD: error.problem}

    def _seen(self, links: dict[Key, Found], everything: bool = False) -> dict[Key, Found]:
        self._memory.note(links, everything)
        return self._firewall.told_of(links)

    def look_up(self, what: str, address: str) -> str:
        """See Host."""
        return self._pci.look_up(what, address)

    def _read_vfs(self, keys: Collection[Key]) -> dict[Key, Found]:
        addresses = [key.name for key in keys if key.space == VF]
        self._watch.with_cards |= bool(addresses)
        return vfs.read(addresses, self._pci) if addresses else {}

    def apply(self, plan: Plan) -> dict[Key, Problem]:
        """Guard, create, then connect and run, then delete and unguard."""
        with self._watch.working_at(_worked_at(plan)):
            return self._apply(plan)

    def _apply(self, plan: Plan) -> dict[Key, Problem]:
        do, guard = self._phase, self.guards.write
        failures = do("guard", guard, steps.guard_steps(plan))
        failures |= do("create", self._create, steps.device_steps(plan, failures))
        failures |= do("connect", self._connect, steps.connect_steps(plan, failures))
        failures |= do("run", self.commands.apply, steps.run_steps(plan, failures))
        deleted = steps.delete_steps(plan, failures)
        failures |= do("delete", links.delete, deleted)
        return failures | do("unguard", guard, steps.unguard_steps(plan, failures, deleted))

    def _phase(
        self, name: str, do: Callable[[Sequence[Step]], dict[Key, Problem]], chosen: Sequence[Step]
    ) -> dict[Key, Problem]:
        if not chosen:
            return {}
        with self.counted.phases.timed(name):
            return do(chosen)

    def _connect(self, connect: Sequence[Step]) -> dict[Key, Problem]:
        try:
            return self._ovsdb.apply(connect)
        except VifAgentError as error:
            return {step.key: error.problem for step in connect}

    def _create(self, create: Sequence[Step]) -> dict[Key, Problem]:
        """VFs first: many a driver makes a VF's device anew when the card gives it a MAC."""
        functions = [step for step in create if step.key.space == VF]
        failures = vfs.change(functions, self._pci) if functions else {}
        return failures | links.create([s for s in create if s.key.space == LINK])

    def _changed(self, keys: frozenset[Key] | None) -> None:
        for listener in self._listeners:
            listener(keys)

    def _vfs_at(self, link: str) -> Iterator[Key]:
        """VFs have no events of their own: the kernel tells of their card."""
        return (Key(VF, address) for address in self._pci.vfs_at(link))


def _worked_at(plan: Plan) -> set[str]:
    """The names of what changes with the plan: what is put into a bridge, or out of it, may change
    the bridge's MAC and MTU; and a switch takes devices in by its ports' names."""
    links = [step.resource for step in plan if isinstance(step.resource, Link)]
    links += [s.found.resource for s in plan if s.found and isinstance(s.found.resource, Link)]
    beside = {getattr(link, field, None) for link in links for field in ("master", "peer")}
    return {step.key.name for step in plan} | {name for name in beside if name}
