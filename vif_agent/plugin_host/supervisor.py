"""Asks a worker turn by turn, and lets the plugin or driver rest after one that went wrong."""

import contextlib
import logging
import time

from vif_agent.contract import NoGood
from vif_agent.errors import NoPlugin, PluginFailed, PluginResting, VifAgentError
from vif_agent.log_fields import about
from vif_agent.plugin_host.kinds import KINDS
from vif_agent.plugin_host.protocol import Answer, Loaded, Order
from vif_agent.plugin_host.worker_process import WorkerGone, WorkerProcess
from vif_agent.tally import Durations
from vif_agent.vif import Vif

LOG = logging.getLogger(__name__)

_SHORTEST_REST, _LONGEST_REST = 5.0, 300.0  # seconds; doubled each time in a row


class Supervisor:
    """For one thread, but ``close``.

    The VIF on which a plugin hung or died has failed. Those asked about while it rests get an error
    that says so, and are asked about again by the agent; they do not cost the time limit each.
    """

    def __init__(self, order: Order) -> None:
        self._order = order
        self._kind = KINDS[order.group]
        self._process: WorkerProcess | None = None
        self._error = ""
        self._in_a_row = 0
        self._rests_until = 0.0
        self._why = ""
        self._closed = False
        #: for metrics: how long answers took, and how often its process was ended for a fault
        self.answers = Durations()
        self.falls = 0

    @property
    def rests(self) -> bool:
        """It went wrong, and is not asked for a while."""
        return time.monotonic() < self._rests_until

    def load(self) -> Loaded:
        """NoGood if it says why it cannot be used, WorkerGone if it did not come to that."""
        try:
            return self._loaded()
        except (VifAgentError, OSError) as error:
            self._error = str(error)
            raise

    def _loaded(self) -> Loaded:
        answer = self._begin()
        if isinstance(answer, Loaded):
            return answer
        if answer.trace:
            LOG.debug("%s %s: %s", self._kind.title, self._order.name, answer.trace)
        self._end()
        raise NoGood(answer.problem.message if answer.problem else "it says nothing")

    def ask(self, vif: Vif) -> Answer:
        """Its answer, or the problem it has; blocks for at most the order's limit."""
        if self._error:
            return self._problem(NoPlugin(f"cannot be used: {self._error}"))
        if self.rests:
            return self._problem(PluginResting(f"rests for a while: it {self._why}"))
        try:
            if self._process is None:
                self._begin_again()
            assert self._process
            with self.answers.timed():
                answer = self._signed(self._process.ask(vif))
        except Exception as error:  # it is closed meanwhile, or what it has sent is nonsense
            self._lie_down(vif, str(error))
            return self._problem(PluginFailed(str(error)))
        self._in_a_row = 0
        return answer

    def close(self) -> None:
        """The process ends; a question in hand is answered with a problem."""
        self._closed = True
        self._end()

    def _begin(self) -> Loaded | Answer:
        self._process = WorkerProcess(self._order)
        if self._closed:
            self._end()
            raise WorkerGone("the agent ends")
        return self._process.load()

    def _begin_again(self) -> None:
        """Its package may be another by now."""
        answer = self._begin()
        if isinstance(answer, Answer) and answer.problem:
            raise WorkerGone(f"does not load any more: {answer.problem.message}")

    def _end(self) -> None:
        process, self._process = self._process, None
        if process:
            with contextlib.suppress(OSError):
                process.end()

    def _lie_down(self, vif: Vif, why: str) -> None:
        self._end()
        self.falls += 1
        pause = min(_SHORTEST_REST * 2**self._in_a_row, _LONGEST_REST)
        self._in_a_row = min(self._in_a_row + 1, 20)
        self._rests_until = time.monotonic() + pause
        self._why = f"{why} on port {vif.port_id}"
        if not self._closed:
            words = (self._kind.title, self._order.name, self._why, pause)
            LOG.error("%s %s %s; it rests for %g s", *words, extra=about(vif.port_id))

    def _signed(self, answer: Answer) -> Answer:
        if answer.problem and answer.problem.code == PluginFailed.code:
            named = self._named(PluginFailed(answer.problem.message))
            return Answer(problem=named.problem, trace=answer.trace)
        return answer

    def _named(self, error: VifAgentError) -> VifAgentError:
        return type(error)(f"{self._kind.word} {self._order.name} {error}")

    def _problem(self, error: VifAgentError) -> Answer:
        return Answer(problem=self._named(error).problem)
