"""Random histories on the real host: in the end it is as desired, and what is not ours is as it
was.

What must be there is computed from the requests (``expected``); that nothing else was touched is
what the kernel and the OVSDB tell (``bystanders``). Neither asks the agent.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import logging
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Concatenate, ParamSpec

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.support import expected
from tests.support.history import (
    KINDS,
    MTUS,
    OVS_BRIDGES,
    TABLE_CHANGES,
    UNLUCKY,
    USED,
    USED_FACTS,
    Binding,
    Crash,
    FrailHost,
    Site,
    a_request,
    guarding,
    is_refused,
    make_id,
    make_vif,
    make_vifs,
)
from tests.support.real_host import KEPT, Ports, Vif, ip, running
from vif_agent.daemon.operations import unplugs_of
from vif_agent.ports.port import PLUG, RETRYING, UNPLUG, FullSet, PortRequest
from vif_agent.ports.store import Store
from vif_agent.resources import GUARD, LINK, OVS_PORT, Key
from vif_agent.testing.host import ScratchHost

LOG = logging.getLogger(__name__)

LINK_CHANGES = {
    "delete": (),
    "rename": (),
    "down": ("down",),
    "mtu": ("mtu", "1400"),
    "nomaster": ("nomaster",),
    "move": ("master", USED),
}
ROW_CHANGES = {
    "delete": ("del-port", "{}"),
    "iface-id": ("set", "interface", "{}", "external_ids:iface-id=somebody"),
    "mtu": ("set", "interface", "{}", "mtu_request=1300"),
    "no qos": ("clear", "port", "{}", "qos"),
}

#: What ovs-vswitchd may undo after our look. When it gives up a device it writes back the flags
#: that it has read before, in two calls: "up" set in between is lost. And a device with another
#: MTU than its row asks for gets the row's, also when the row went meanwhile and ovs-vswitchd has
#: not seen it yet: so does a port of Open vSwitch's whose tap goes into a bridge of another MTU. A
#: linux bridge that was made with an MTU follows it, until somebody sets the bridge's.
MTU_LOST = "links: (tap|brq).*: mtu is ({})".format("|".join(map(str, sorted({*MTUS}))))
LOST = re.compile(rf": (up|promisc) is|{MTU_LOST}, ")

RETRY_SECONDS = 2.0

numbers = st.integers(0, UNLUCKY)
bindings = st.tuples(st.sampled_from(KINDS), st.integers(0, len(MTUS) - 1))
picks = st.integers(0, 1 << 16)
#: the part of the reconcile's plan that is done before the agent dies; mostly it lives
crashes = st.sampled_from((None, None, None, None, 0.0, 0.2, 0.4, 0.6, 0.8))

SETTINGS = settings(
    max_examples=70,
    stateful_step_count=30,
    deadline=None,
    print_blob=True,
    phases=(Phase.reuse, Phase.generate),  # to shrink would take longer than a test may
    suppress_health_check=list(HealthCheck),
)


_P = ParamSpec("_P")


def counted(
    act: Callable[Concatenate[History, _P], None],
) -> Callable[Concatenate[History, _P], None]:
    """One event of a history. ``crash``: the agent dies in the first plan it carries out."""

    @functools.wraps(act)
    def counting(self: History, /, *args: _P.args, **kwargs: _P.kwargs) -> None:
        self.site.counts[act.__name__] += 1
        self.events.append(f"{act.__name__}({kwargs})")
        crash = kwargs.pop("crash", None)
        self.site.host.die_after = crash if isinstance(crash, float) else None
        self.begin_event()
        act(self, *args, **kwargs)
        self.site.host.die_after = None

    return counting


class History(RuleBasedStateMachine):
    """``requests``: what the store must hold, in the order of the last casts; ``alive``: does an
    agent run?

    No precondition may ask what the host has made of it. The same draws are drawn again, and
    whether a crash finds a plan to die in is ovs-vswitchd's moment: with other rules to choose from
    than the last time hypothesis calls the test flaky.
    """

    site: Site

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="vif-agent-"))
        self.store = Store(self.directory / "ports.sqlite")
        self.requests: dict[str, Vif] = {}
        self.strays: set[str] = set()  # taps tagged for ports that no request is known of
        self.alive = False
        self.outage = 0  # events since it died
        self.events: list[str] = []
        self.names = itertools.count(100)

    @initialize()
    def begin(self) -> None:
        self.site.counts["histories"] += 1
        self.site.clean()
        self._start()

    def begin_event(self) -> None:
        """No outage is long: else most of a history would be about a dead agent."""
        self.outage = 0 if self.alive else self.outage + 1
        if self.outage > 2:
            self._start()

    # -- what senders do ---------------------------------------------------------------------

    @rule(ports=st.dictionaries(numbers, bindings, min_size=1, max_size=3), crash=crashes)
    @counted
    def plug(self, ports: dict[int, Binding]) -> None:
        """Anew, again, or as another kind."""
        self._plug(make_vifs(ports))

    def _plug(self, vifs: dict[str, Vif]) -> None:
        self.requests = {**_without(self.requests, vifs), **vifs}
        self._put(*(a_request(PLUG, vif) for vif in vifs.values()))
        self._reconcile({*vifs})

    @precondition(lambda self: self.requests)
    @rule(pick=picks, binding=bindings, crash=crashes)
    @counted
    def change(self, pick: int, binding: Binding) -> None:
        """A port that is there becomes one of another kind."""
        port_id = sorted(self.requests)[pick % len(self.requests)]
        self._plug(make_vifs({n: binding for n in range(UNLUCKY + 1) if make_id(n) == port_id}))

    @precondition(lambda self: self.requests)
    @rule(ports=st.sets(numbers, min_size=1, max_size=2), crash=crashes)
    @counted
    def unplug(self, ports: set[int]) -> None:
        vifs = make_vifs(dict.fromkeys(ports, ("tap", 0)))
        self.requests = _without(self.requests, vifs)
        self._put(*(a_request(UNPLUG, vif) for vif in vifs.values()))
        self._reconcile({*vifs})

    @rule(
        ports=st.dictionaries(numbers, bindings, max_size=UNLUCKY),
        whole=st.booleans(),
        crash=crashes,
    )
    @counted
    def sync(self, ports: dict[int, Binding], whole: bool) -> None:
        """With what the agent does after a set that is whole: what is in no request is to go."""
        vifs = make_vifs(ports)
        plugs = tuple(a_request(PLUG, vif) for vif in vifs.values())
        self._put(FullSet(plugs=plugs, named=frozenset(vifs), deletes=whole))
        new = {port: vif for port, vif in vifs.items() if self.requests.get(port) != vif}
        gone = _without(self.requests, vifs) if whole else {}
        self.requests = {**_without(self.requests, {*new, *gone}), **new}
        self._reconcile_whole_host()
        if whole and self.alive:
            self._put(*unplugs_of(self.ports.engine.orphans or ()))
            self.strays.clear()
            self._reconcile_whole_host()

    # -- what befalls the agent --------------------------------------------------------------

    @rule(crash=crashes)
    @counted
    def restart(self) -> None:
        self._start()

    def _start(self) -> None:
        """Its store, and a look at everything."""
        self.store.close()
        self.store = Store(self.directory / "ports.sqlite")
        self.ports = Ports(self.site.host, self.store, driver=self.site.driver)
        self.ports.engine.load()
        self.alive = True
        self._reconcile_whole_host()

    @rule()
    @counted
    def die(self) -> None:
        """At rest. Until the start requests come in all the same, and the host drifts. One that is
        dead is started."""
        if self.alive:
            self.alive = False
        else:
            self._start()

    # -- what others do ----------------------------------------------------------------------

    @precondition(lambda self: self.requests)
    @rule(pick=picks, how=st.sampled_from([*LINK_CHANGES]), crash=crashes)
    @counted
    def drift_of_link(self, pick: int, how: str) -> None:
        """Somebody changes a link of ours behind the agent's back."""
        if name := self._one_of("links", pick):
            change = LINK_CHANGES[how] or ("down", "name", f"drift{next(self.names)}")
            with contextlib.suppress(RuntimeError):  # no bridge goes into a bridge
                ip("link", *(("del", name) if how == "delete" else ("set", name, *change)))
            self._drifted(Key(LINK, name), everywhere=how == "rename")

    @precondition(lambda self: self.requests)
    @rule(pick=picks, how=st.sampled_from([*ROW_CHANGES]), crash=crashes)
    @counted
    def drift_of_row(self, pick: int, how: str) -> None:
        """Somebody changes a row of ours in the OVSDB."""
        if name := self._one_of("ports", pick):
            self.site.ovs.vsctl("--no-wait", *(word.format(name) for word in ROW_CHANGES[how]))
            self._drifted(Key(OVS_PORT, name))

    @precondition(lambda self: self.site.nft)
    @rule(how=st.sampled_from(TABLE_CHANGES), crash=crashes)
    @counted
    def drift_of_guards(self, how: str) -> None:
        """Somebody empties our table, or removes it."""
        self.site.undo_guards(how)
        self._drifted(Key(GUARD, how))

    @rule()
    @counted
    def stray(self) -> None:
        """What an agent made whose store was lost: it stays until a set is whole. No more than
        two."""
        if len(self.strays) == 2:
            return
        vif = make_vif("tap", next(self.names), 0)
        ip("tuntap", "add", "dev", vif["devname"], "mode", "tap")
        ip("link", "set", vif["devname"], "alias", f"vif-agent {vif['id']}")
        self.strays.add(vif["devname"])

    # -- what must hold ----------------------------------------------------------------------

    @invariant()
    def nothing_of_others_was_touched(self) -> None:
        self._demand_none(self.site.bystanders.touched())

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.directory)

    # -- the hands ---------------------------------------------------------------------------

    def _put(self, *items: PortRequest | FullSet) -> None:
        assert self.store.put(items) == []

    def _reconcile_whole_host(self) -> None:
        self._reconcile(set(self.store.ports()), everywhere=True)

    def _reconcile(self, ids: set[str], everywhere: bool = False) -> None:
        """If an agent lives; and if it lives on, what must hold after it holds."""
        if self.alive:
            self._round(ids, everywhere)
        if self.alive:
            self._wait_until_as_desired()

    def _round(self, ids: set[str], everywhere: bool = False) -> None:
        try:
            self.ports.reconcile(ids, everywhere)
        except Crash:
            self.site.counts["crash"] += 1
            self.alive = False

    def _drifted(self, key: Key, everywhere: bool = False) -> None:
        """The events of the change must bring the look that mends it.

        ``everywhere``: no event tells of what has now another name.
        """
        deadline = time.monotonic() + 30
        while self.alive and (everywhere or self._differences()):
            ids = self._awakened()
            assert ids or time.monotonic() < deadline, f"no event of {key}: {self._differences()}"
            if ids and everywhere:
                return self._reconcile_whole_host()
            self._round(ids)
        return None

    def _one_of(self, space: str, pick: int) -> str | None:
        """One that is wanted, and on the host: after a crash not all need be."""
        wanted, found = self._wanted(), expected.actual(self.site.ovs)
        both = getattr(wanted, space).keys() & getattr(found, space).keys()
        names = sorted(both - {*OVS_BRIDGES})
        return names[pick % len(names)] if names else None

    def _wanted(self) -> expected.Things:
        return expected.expected([*self.requests.values()], ("br-int", USED), is_refused)

    def _differences(self) -> list[str]:
        """A refused port gets nothing, and yet a bridge that it wants too is not removed."""
        wanted, found = self._wanted(), expected.actual(self.site.ovs)
        wanted.links |= {USED: USED_FACTS, **{name: {} for name in self.strays}}
        wanted.bridges |= {"br-int": {}, "br-ex": {}}
        refused = [vif for vif in self.requests.values() if is_refused(vif)]
        tolerated = [name for vif in refused for name in expected.bridges_of(vif)]
        if self.site.driver.guards:
            granted = [vif for vif in self.requests.values() if not is_refused(vif)]
            wanted.guards, found.guards = expected.guards(granted), expected.actual_guards()
            tolerated += expected.kept_guards(granted, found)
        return expected.differences(wanted, found, {*KEPT, *self.site.bystanders.names}, tolerated)

    def _wait_until_as_desired(self) -> None:
        """ovs-vswitchd may need a moment for its own devices, and may undo what was done meanwhile
        (``LOST``). The kernel tells, and that event is the remedy. What has failed is tried again,
        as the daemon does it."""
        deadline, again = time.monotonic() + 30, time.monotonic() + RETRY_SECONDS
        while (reported := self._differences()) and time.monotonic() < deadline:
            if all(LOST.search(text) for text in reported):
                self.site.counts["lost to ovs-vswitchd"] += 1
                self._round(self._awakened())
            elif time.monotonic() > again and (failed := self._failed()):
                again = time.monotonic() + RETRY_SECONDS
                self.site.counts["tried again"] += 1
                self._round({*failed})
            if not self.alive:
                return
            time.sleep(0.02)
        self._demand_none(reported)

    def _awakened(self) -> set[str]:
        """The ports that the events since the last time make the agent look at."""
        changed, self.site.changed = self.site.changed, set()
        return self.ports.engine.records.ports_of(changed)

    def _failed(self) -> dict[str, str]:
        """The ports that wait for another try, and why."""
        ports = (record.port for record in self.ports.engine.records)
        return {p.port_id: f"{p.state}: {p.problem}" for p in ports if p.state == RETRYING}

    def _demand_none(self, wrong: list[str]) -> None:
        """With the history in the log: a replay may go another way, and hypothesis tell nothing."""
        if wrong:
            events = "\n".join(self.events)
            LOG.error("%s; to be tried again: %s; after:\n%s", wrong, self._failed(), events)
        assert wrong == []


def test_random_histories_end_as_desired_and_touch_nothing_of_others(
    scratch: ScratchHost, figures: Callable[[str], None]
) -> None:
    host = FrailHost(scratch.ovs.connection, 10, guarding=guarding())
    with running(host, scratch):
        site = Site(scratch, host)
        with site.bystanders:
            run_state_machine_as_test(
                type("History", (History,), {"site": site}), settings=SETTINGS
            )
    reported = ", ".join(f"{count} {what}" for what, count in site.counts.most_common())
    figures(f"random histories: {reported}; {site.bystanders.seen} events seen")


def _without(requests: dict[str, Vif], ports: Collection[str]) -> dict[str, Vif]:
    return {port: vif for port, vif in requests.items() if port not in ports}
