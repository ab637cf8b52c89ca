"""The L2 agent that Neutron knows: reports, and how ports are."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from vif_agent.bus.casts import Refusal
from vif_agent.bus.pauses import anywhere
from vif_agent.bus.views import iso
from vif_agent.errors import Problem
from vif_agent.health import Sign, sign
from vif_agent.l2_agent import report
from vif_agent.l2_agent.errand import Errand
from vif_agent.l2_agent.fanouts import BINDING_ACTIVATE, Fanouts
from vif_agent.l2_agent.peers import Peers
from vif_agent.l2_agent.ports import NeutronsPorts, Stored
from vif_agent.l2_agent.server import Server
from vif_agent.l2_agent.statuses import Statuses
from vif_agent.l2_agent.tunnels import Tunnels

LOG = logging.getLogger(__name__)

_LATE = 2.5  # Neutron's own measure: agent_down_time is 75 s, the interval 30 s
_LONGEST_OF_OURS = "nftables"  # where no firewall driver is chosen
_REPORTS_APART, _STATUSES_APART = 0.5, 0.03


class Reported(NamedTuple):
    """``at``: time.time; ``clock``: time.monotonic."""

    answer: str
    at: float
    clock: float

    @classmethod
    def now(cls, answer: str) -> "Reported":
        """It has just come."""
        return cls(answer, time.time(), time.monotonic())


class Records(Protocol):
    """What is needed of the engine's."""

    def waits(self, port_id: str) -> bool:
        """Have others yet to do something for the port? Safe on any thread."""


class Driver(Protocol):
    """What guards ports."""

    @property
    def name(self) -> str:
        """Of it."""


class Drivers(Protocol):
    """What is needed of the firewall's."""

    @property
    def used(self) -> Driver:
        """The one that is asked."""


class L2Agent:
    """``conf`` is oslo.config's; ``drivers``: of firewalls; ``peers``: None where they are not
    Neutron's to name; ``renewed`` is called when they are others."""

    def __init__(
        self,
        conf: Any,
        messaging: Any,
        store: Stored,
        records: Records,
        drivers: Drivers,
        peers: Peers | None,
        renewed: Callable[[], None],
    ) -> None:
        self._conf = conf
        self._drivers = drivers
        self._server = Server(messaging, conf.host)
        self._ports = NeutronsPorts(store)
        self._statuses = Statuses(records.waits)
        self._reports = Errand(
            self._report, _say_of_reports, apart=_REPORTS_APART, name="neutron-report"
        )
        self._telling = Errand(
            self._tell, _say_of_statuses, apart=_STATUSES_APART, name="neutron-status"
        )
        own = conf.network.vxlan_local_ip
        self._tunnels = peers and Tunnels(self._server, peers, str(own), renewed)
        topics = (BINDING_ACTIVATE, *(Tunnels.topics if peers else ()))
        self._fanouts = Fanouts(messaging, topics, self._hear)
        self._failed: dict[str, Problem] = {}
        self._anew = deque[str]()
        #: the last report that was answered
        self.reported: Reported | None = None

    @classmethod
    def of(cls, conf: Any, *rest: Any) -> "L2Agent | None":
        """If the operator wants one; NotConfigured where Neutron could not store what it says."""
        if not conf.neutron.enabled:
            return None
        report.of_configuration(conf, conf.firewall.driver or _LONGEST_OF_OURS)
        return cls(conf, *rest)

    def begin(self) -> None:
        """When the host has been looked at, so that it is known which ports are well."""
        self._anew.extend(self._ports.at_start())
        self._reports.begin()
        self._telling.begin()
        if self._tunnels:
            self._tunnels.begin()
        threading.Thread(target=self._listen, name="neutron-join", daemon=True).start()

    def look(self) -> None:
        """Something may have changed. Waits for nobody."""
        self._telling.wake()

    def refused(self, refusals: Sequence[Refusal]) -> None:
        """At the door, of any sender. Waits for nobody."""
        if self._ports.refuse(refusals):
            self._reports.wake()

    def end(self) -> None:
        """Ports stay as they are, and so does what Neutron knows of them."""
        self._reports.end()
        self._telling.end()
        if self._tunnels:
            self._tunnels.end()

    def sign(self) -> Sign:
        """Does Neutron hear of this host?"""
        of_peers = self._tunnels.trouble if self._tunnels else ""
        return sign(self._reports.trouble or self._silence() or self._telling.trouble or of_peers)

    def _silence(self) -> str:
        """Of who hangs nobody says that he fails."""
        if self.reported is None:
            return "no report has been answered yet"
        silent = time.monotonic() - self.reported.clock
        late = silent > _LATE * self._conf.neutron.report_interval
        return f"no report has been answered for {silent:.0f} s" if late else ""

    @property
    def waiting(self) -> int:
        """How many ports Neutron has yet to hear of."""
        return self._statuses.waiting

    @property
    def failed(self) -> int:
        """How many have failed, as the last report said."""
        return len(self._failed)

    @property
    def peers(self) -> int | None:
        """How many Neutron has named; None where it is not to name any, or has not yet."""
        return self._tunnels.count if self._tunnels else None

    def view(self) -> dict[str, Any]:
        """For operators; see docs/api.md."""
        return {
            "answer": self.reported and self.reported.answer,
            "answered_at": self.reported and iso(self.reported.at),
            "trouble": self.sign().why or None,
            "ports_to_tell": self.waiting,
            "ports_failed": self.failed,
            "vxlan_peers": self.peers,
        }

    def _listen(self) -> None:
        """Blocks until the broker lets us in; what was told before is asked for."""
        self._fanouts.start(override_pool_size=1)
        if self._tunnels:
            self._tunnels.sync()

    def _hear(self, method: str, arguments: Mapping[str, Any]) -> None:
        """Of what Neutron tells all. A binding that becomes active puts its port DOWN first."""
        if method == "binding_activate" and arguments.get("host") == self._conf.host:
            port_id = arguments.get("port_id")
            self._anew.extend(p.port_id for p in self._ports.plugged() if p.port_id == port_id)
            self._telling.wake()
        elif self._tunnels:
            self._tunnels.hear(method, arguments)

    def _report(self) -> float:
        seconds = self._conf.neutron.report_interval
        self._failed = self._failures()
        ports = self._failed.items(), self._statuses.up
        said = report.state(self._conf.host, self._configurations(), *ports, self.reported is None)
        again = self._reports.trouble
        answer = self._server.report_state(said, seconds)
        first, self.reported = self.reported is None, Reported.now(answer)
        if first or again or answer != "alive":
            LOG.info("Neutron knows of this host: the agent is %s", answer)
        if not first and (again or answer != "alive"):
            self._anew.extend(port.port_id for port in self._ports.plugged())
            self._telling.wake()
            if self._tunnels:
                self._tunnels.sync()
        # what has made us report just now has made all agents do so
        return anywhere(seconds) if first or again else float(seconds)

    def _configurations(self) -> dict[str, Any]:
        of_ports = report.of_ports(self._ports.digest(), len(self._ports.plugged()))
        return {**report.of_configuration(self._conf, self._drivers.used.name), **of_ports}

    def _failures(self) -> dict[str, Problem]:
        failed = self._statuses.failed(self._ports.plugged())
        problems = {port_id: port.problem for port_id, port in failed.items() if port.problem}
        return {**problems, **dict(self._ports.refused())}

    def _tell(self) -> float:
        """All that is untold, some at a time; in the end what has failed, by a report."""
        self._statuses.unsure(self._anew.popleft() for _ in range(len(self._anew)))
        while batch := self._statuses.due(untold := self._statuses.untold(self._ports.there())):
            up = [port_id for port_id, status in batch.items() if status.up]
            failed = self._server.update_device_list(up, batch.keys() - {*up})
            for port_id in self._statuses.heard(batch, failed):
                LOG.warning("Neutron cannot note how port %s is; it is told again", port_id)
        if self._failures() != self._failed:
            self._reports.wake()
        return self._statuses.next_due(untold)


def _say_of_reports(trouble: str) -> None:
    if trouble:
        LOG.warning("Neutron does not hear of this host: %s", trouble)


def _say_of_statuses(trouble: str) -> None:
    if trouble:
        LOG.warning("Neutron does not hear how ports are: %s", trouble)
    else:
        LOG.info("Neutron hears how ports are again")
