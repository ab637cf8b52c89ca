"""The host as the engine sees it: read it, and apply a plan to it."""

import logging
from collections.abc import Collection, Sequence
from pathlib import Path

from vif_agent.errors import NotYet, Problem, VifAgentError
from vif_agent.helper import privileged
from vif_agent.host import vfs
from vif_agent.host.commands import Commands, Limits
from vif_agent.host.netlink import links
from vif_agent.host.netlink.events import LinkEvents
from vif_agent.host.ovs.ovsdb import OnChange, Ovsdb
from vif_agent.host.pci import Pci
from vif_agent.ownership import Found
from vif_agent.plan import steps
from vif_agent.plan.steps import Actual, Plan, Step
from vif_agent.resources import LINK, OVS_PORT, OVS_SPACES, VF, Key

LOG = logging.getLogger(__name__)


class RealHost:
    """Kernel by netlink and ioctl (in the privileged process), Open vSwitch by OVSDB.

    ``sysfs``: where PCI devices are looked up. ``cards``: those whose VFs are for ports.
    """

    def __init__(
        self,
        ovsdb_connection: str,
        ovsdb_timeout: float,
        sysfs: Path = Path("/sys"),
        limits: Limits | None = None,
        cards: Sequence[str] = ("*",),
    ) -> None:
        self._pci = Pci(sysfs, cards)
        self._listeners: list[OnChange] = []
        self._ovsdb = Ovsdb(ovsdb_connection, ovsdb_timeout, self._changed)
        self._watch = LinkEvents(self._link_changed)
        self.commands = Commands(limits or Limits(), self._changed)

    def start(self) -> None:
        """Waits a moment for OVSDB, so that the first look at the host sees all of it."""
        privileged.helper.on_death(lambda: self._changed(None))  # whoever looks, hears of it
        self._watch.start()
        self._ovsdb.start()
        try:
            self._ovsdb.read([])
        except NotYet as error:
            LOG.info("%s", error)  # no more than that: a host may have no Open vSwitch

    def stop(self) -> None:
        self.commands.stop()
        self._ovsdb.stop()
        self._watch.stop()

    def on_change(self, listener: OnChange) -> None:
        """Called with the keys of links and OVS ports that changed; with None: look at all."""
        self._listeners.append(listener)

    def read(
        self,
        keys: Collection[Key],
        members_of: Collection[Key] = (),
        indexes: Collection[int] = (),
        going: Collection[Key] = (),
    ) -> Actual:
        names = {key.name for key in keys if key.space == LINK}
        bridges = {key.name for key in members_of if key.space == LINK}
        found = links.read(names, bridges, indexes) if names else {}
        found |= self._read_vfs(keys)
        ovs = [key for key in keys if key.space in OVS_SPACES]
        try:
            return Actual({**found, **(self._ovsdb.read(ovs, going) if ovs else {})})
        except NotYet as error:
            return Actual(found, dict.fromkeys(OVS_SPACES, error.problem))

    def read_all(self, keys: Collection[Key]) -> Actual:
        found, unknown = links.read(None), {}
        try:
            rows = self._ovsdb.read_claimed()
            rows |= self._ovsdb.read([key for key in keys if key.space in OVS_SPACES])
        except NotYet as error:
            rows, unknown = {}, dict.fromkeys(OVS_SPACES, error.problem)
        wanted = {*keys, *(Key(LINK, key.name) for key in rows if key.space == OVS_PORT)}
        shown = {k: f for k, f in found.items() if k in wanted or f.owner is not None}
        return Actual({**shown, **self._read_vfs(keys), **rows}, unknown)

    def look_up(self, what: str, address: str) -> str:
        return self._pci.look_up(what, address)

    def _read_vfs(self, keys: Collection[Key]) -> dict[Key, Found]:
        addresses = [key.name for key in keys if key.space == VF]
        return vfs.read(addresses, self._pci) if addresses else {}

    def apply(self, plan: Plan) -> dict[Key, Problem]:
        """Create, then connect and run, then delete."""
        failures = self._create(plan.create)
        if connect := steps.connect_steps(plan, failures):
            failures |= self._connect(connect)
        if run := steps.run_steps(plan, failures):
            failures |= self.commands.apply(run)
        return failures | links.delete(steps.delete_steps(plan, failures))

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

    def _link_changed(self, keys: frozenset[Key] | None) -> None:
        """VFs have no events of their own: the kernel tells of their card."""
        names = [key.name for key in keys or () if key.space == LINK]
        beside = (Key(VF, vf) for name in names for vf in self._pci.vfs_at(name))
        self._changed(None if keys is None else frozenset({*keys, *beside}))
