"""The L2 agent that Neutron knows: reports, and how ports are."""

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from vif_agent.bus.casts import Refusal
from vif_agent.bus.views import iso
from vif_agent.errors import Problem
from vif_agent.health import Sign, sign
from vif_agent.l2_agent import report
from vif_agent.l2_agent.errand import Errand
from vif_agent.l2_agent.ports import NeutronsPorts, Stored
from vif_agent.l2_agent.server import Server
from vif_agent.l2_agent.statuses import Statuses

LOG = logging.getLogger(__name__)

_LATE = 2.5  # Neutron's own measure: agent_down_time is 75 s, the interval 30 s
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


class L2Agent:
    """``conf`` is oslo.config's; ``waits``: of Statuses; ``firewall``: of the report."""

    def __init__(
        self,
        conf: Any,
        messaging: Any,
        store: Stored,
        waits: Callable[[str], bool],
        firewall: Callable[[], str],
    ) -> None:
        self._conf = conf
        self._firewall = firewall
        self._server = Server(messaging, conf.host)
        self._ports = NeutronsPorts(store)
        self._statuses = Statuses(waits)
        self._reports = Errand(
            self._report, _say_of_reports, apart=_REPORTS_APART, name="neutron-report"
        )
        self._telling = Errand(
            self._tell, _say_of_statuses, apart=_STATUSES_APART, name="neutron-status"
        )
        self._failed: dict[str, Problem] = {}
        self._anew = deque[str]()
        #: the last report that was answered
        self.reported: Reported | None = None

    @classmethod
    def of(
        cls, conf: Any, messaging: Any, store: Stored, records: Records, firewall: Callable[[], str]
    ) -> "L2Agent | None":
        """If the operator wants one."""
        wanted = conf.neutron.enabled
        return cls(conf, messaging, store, records.waits, firewall) if wanted else None

    def begin(self) -> None:
        """When the host has been looked at, so that it is known which ports are well."""
        self._anew.extend(self._ports.at_start())
        self._reports.begin()
        self._telling.begin()

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

    def sign(self) -> Sign:
        """Does Neutron hear of this host?"""
        return sign(self._reports.trouble or self._silence() or self._telling.trouble)

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

    def view(self) -> dict[str, Any]:
        """For operators; see docs/api.md."""
        return {
            "answer": self.reported and self.reported.answer,
            "answered_at": self.reported and iso(self.reported.at),
            "trouble": self.sign().why or None,
            "ports_to_tell": self.waiting,
            "ports_failed": len(self._failed),
        }

    def _report(self) -> float:
        seconds = self._conf.neutron.report_interval
        said = report.state(self._conf.host, self._configurations(), start=self.reported is None)
        again = self._reports.trouble
        answer = self._server.report_state(said, seconds)
        first, self.reported = self.reported is None, Reported.now(answer)
        if first or again or answer != "alive":
            LOG.info("Neutron knows of this host: the agent is %s", answer)
        if not first and (again or answer != "alive"):
            self._anew.extend(port.port_id for port in self._ports.plugged())
            self._telling.wake()
        return float(seconds)

    def _configurations(self) -> dict[str, Any]:
        self._failed = self._failures()
        of_ports = report.of_ports(
            self._ports.digest(), len(self._ports.plugged()), self._failed.items()
        )
        return {**report.of_configuration(self._conf, self._firewall()), **of_ports}

    def _failures(self) -> dict[str, Problem]:
        failed = self._statuses.failed(self._ports.plugged())
        problems = {port_id: port.problem for port_id, port in failed.items() if port.problem}
        return {**problems, **dict(self._ports.refused())}

    def _tell(self) -> float | None:
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
