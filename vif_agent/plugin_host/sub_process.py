"""What is of another package, a plugin or a firewall driver, asked in a process of its own.

A thread for each asks its process, one VIF after the other. The agent's loop never waits for it:
whoever asks too early gets the error Unanswered, and is woken when the answer is there.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, ClassVar, cast

from vif_agent.contract import NoGood, leaves_in
from vif_agent.errors import Relayed, Unanswered, VifAgentError
from vif_agent.log_fields import about
from vif_agent.plugin_host import belongings
from vif_agent.plugin_host.discovery import Candidate
from vif_agent.plugin_host.kinds import FIREWALL_DRIVER, PLUGIN, Kind
from vif_agent.plugin_host.protocol import Answer, Loaded, Order
from vif_agent.plugin_host.supervisor import Supervisor
from vif_agent.resources import Guard, Resource
from vif_agent.vif import Vif

LOG = logging.getLogger(__name__)

_PATIENCE = 30.0  # seconds to load
_REMEMBERED = 10_000  # answers; more ports than a host has
_LOADING = "it has not loaded yet"


class SubProcess:
    """``error``: why it cannot be asked at all; empty when it can. ``refused``: it is no good, and
    will not be; else it may only have been slow to load."""

    kind: ClassVar[Kind]

    def __init__(self, candidate: Candidate, conf: Any) -> None:
        self.error = _LOADING
        self.refused = False
        self.loaded = Loaded("", {})
        self._candidate = candidate
        self._supervisor = Supervisor(
            Order(
                self.kind.group,
                candidate.name,
                candidate.distribution,
                tuple(conf.config_file or ()),
                tuple(conf.config_dir or ()),
                float(conf.plugins.timeout),
                _PATIENCE,
            )
        )
        self._asked: dict[str, Vif] = {}
        self._curious: set[str] = set()  # ports that wait for its names
        self._known: dict[str, Answer] = {}  # by what was asked: see _question
        self._condition = threading.Condition()
        self._tell: Callable[[Collection[str]], None] = lambda _: None
        self._closed = False
        name = f"{self.kind.thread}-{candidate.name}"
        threading.Thread(target=self._serve, name=name, daemon=True).start()

    # -- for those who ask -------------------------------------------------------------------

    @property
    def name(self) -> str:
        """As its entry point has it."""
        return self._candidate.name

    @property
    def package(self) -> str:
        """As ``Candidate.package``."""
        return self._candidate.package

    @property
    def counted(self) -> Supervisor:
        """Who has counted its answers and its faults, for metrics."""
        return self._supervisor

    @property
    def contract(self) -> str:
        """The version it is written for; empty if it has not loaded."""
        return self.loaded.contract

    @property
    def aliases(self) -> Mapping[str, str]:
        """Its former names, each with the release in which that goes."""
        return self.loaded.aliases

    def answer(self, vif: Vif) -> Sequence[Resource]:
        """Or a VifAgentError: Unanswered if there is none yet."""
        with self._condition:
            answer = self._ask(vif)
            if answer is None:
                raise Unanswered(f"{self.kind.word} {self.name} has not answered yet")
            if answer.problem:
                del self._known[_question(vif)]  # whoever asks again, asks anew
                raise Relayed(answer.problem)
            return answer.resources

    def on_answer(self, tell: Callable[[Collection[str]], None]) -> None:
        """To be called with the ports that got the error Unanswered."""
        self._tell = tell

    def tells_when_loaded(self, port_id: str) -> bool:
        """Has it yet to load? Then the port is woken when it has, or cannot."""
        with self._condition:
            if self.error == _LOADING:
                self._curious.add(port_id)
            return self.error == _LOADING

    def await_loaded(self, deadline: float) -> None:
        """Until it has loaded or cannot, or ``deadline`` (time.monotonic) is there."""
        with self._condition:
            self._condition.wait_for(lambda: self.error != _LOADING, deadline - time.monotonic())

    def await_answer(self, vif: Vif, deadline: float) -> bool:
        """Until there is an answer for this VIF, or the deadline is there. Is it a good one?"""
        with self._condition:
            left = deadline - time.monotonic()
            answer = self._condition.wait_for(lambda: self._ask(vif), left)
            return answer is not None and not answer.problem

    def close(self) -> None:
        """Its process ends; whoever waits goes on."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
        self._supervisor.close()

    def _ask(self, vif: Vif) -> Answer | None:
        """The same VIF has the same answer: it is asked about once."""
        question = _question(vif)
        if question not in self._known and question not in self._asked:
            self._asked[question] = vif
            self._condition.notify_all()
        return self._known.get(question)

    # -- the thread --------------------------------------------------------------------------

    def _serve(self) -> None:
        try:
            self._note_loaded("", self._supervisor.load())
        except (VifAgentError, OSError) as error:
            self.refused = isinstance(error, NoGood)
            self._note_loaded(str(error), self.loaded)
        while (vif := self._next()) is not None:
            self._note(vif, self._supervisor.ask(vif))

    def _note_loaded(self, error: str, loaded: Loaded) -> None:
        if self._closed:
            return
        what = (self.kind.title, self.name, self.package)
        if error:
            LOG.error("%s %s (%s) cannot be used: %s", *what, error)
        if not error and (release := leaves_in(loaded.contract)):
            LOG.warning(
                "%s %s (%s) is written for contract %s, which vif-agent will not speak any "
                "longer from release %s on", *what, loaded.contract, release,
            )  # fmt: skip
        with self._condition:
            self.error, self.loaded = error, loaded
            self._condition.notify_all()
        self._tell(self._curious)

    def _next(self) -> Vif | None:
        with self._condition:
            self._condition.wait_for(lambda: self._asked or self._closed)
            return None if self._closed else next(iter(self._asked.values()))

    def _note(self, vif: Vif, answer: Answer) -> None:
        if answer.trace:
            what = (self.kind.title, self.name, vif.port_id, answer.trace)
            LOG.error("%s %s failed on port %s: %s", *what, extra=about(vif.port_id))
        with self._condition:
            question = _question(vif)
            del self._asked[question]
            self._known[question] = answer
            if len(self._known) > _REMEMBERED:
                del self._known[next(iter(self._known))]
            self._condition.notify_all()
        self._tell({vif.port_id})


class SubProcessPlugin(SubProcess):
    """A plugin of another package."""

    kind = PLUGIN

    def __init__(self, candidate: Candidate, conf: Any) -> None:
        self._borrow: Sequence[str] = conf.plugins.borrow
        super().__init__(candidate, conf)

    def resources(self, vif: Vif) -> Sequence[Resource]:
        """As ``answer``; Conflict for what is not the port's."""
        return belongings.checked(self.name, vif, self.answer(vif), self._borrow)


class SubProcessDriver(SubProcess):
    """A firewall driver of another package."""

    kind = FIREWALL_DRIVER
    guards = True

    def guard(self, vif: Vif) -> Guard | None:
        """As ``answer``."""
        answer = self.answer(vif)
        return cast("Guard", answer[0]) if answer else None


def _question(vif: Vif) -> str:
    """A Vif has mappings in it, and so no hash. A port may have several, one for each earlier
    request."""
    return repr(vif)
