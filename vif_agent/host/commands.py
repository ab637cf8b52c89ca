"""What was run for the ports, and what is running: a few at a time, beside the reconciles.

A command may take seconds, or hang until its limit: a reconcile only starts it, and its end is
reported like any change of the host. So one that is slow holds up its own port and no other.

What a program has done cannot be seen on the host. Its check command tells, where there is one;
else it is known from its exit status, by this process, or by the store.
"""

import dataclasses
import functools
import logging
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TypeAlias

from vif_agent.errors import CommandFailed, Problem, VifAgentError
from vif_agent.host.programs import Ended, Programs
from vif_agent.ownership import Found
from vif_agent.plan.steps import Step
from vif_agent.resources import Command, Key
from vif_agent.tally import OTHER, Durations

LOG = logging.getLogger(__name__)

OnEnd: TypeAlias = Callable[[frozenset[Key]], None]
Run: TypeAlias = Callable[[Sequence[str], Callable[[], float]], Ended]

#: undoing what nobody knows to be done may fail for that very reason: so often, then it is reported
_TRIES_IF_UNCERTAIN = 5
_LEAVE_SECONDS = 5.0
_LONGEST_WORDS = 500


@dataclasses.dataclass(slots=True)
class _State:
    done: bool | None = False  # None: nobody knows
    doing: str = ""  # what runs, or waits for its turn
    #: of the last run, until it is reported; True: of the plug command
    failure: tuple[bool | None, Problem] | None = None
    tries: int = 0
    checked: float = float("-inf")
    not_reported: bool = False  # what was found out then has not been asked for yet


@dataclasses.dataclass(frozen=True)
class Limits:
    """``at_once``: how many may run; ``check_lasts``: seconds for which a check's answer counts."""

    programs: Programs = dataclasses.field(default_factory=Programs)
    at_once: int = 8
    check_lasts: float = 60


class Commands:
    """``on_end`` is called on a thread of ours and must only take note.

    ``run`` and ``spawn`` are for hosts that are not real.
    """

    def __init__(
        self,
        limits: Limits,
        on_end: OnEnd,
        run: Run | None = None,
        spawn: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        self._limits, self._on_end = limits, on_end
        self._run, self._spawn = run or limits.programs.run, spawn or _in_a_thread
        self._lock = threading.Condition()
        self._states: defaultdict[Key, _State] = defaultdict(_State)
        self._jobs: deque[Callable[[], None]] = deque()
        self._workers = 0
        self._until = float("inf")
        #: for metrics, by program and result
        self.lasted = Durations()
        for program in limits.programs.allowed:
            self.lasted.expect(program, "ok")
            self.lasted.expect(program, "failed")

    def assume_done(self, keys: Iterable[Key]) -> None:
        """These are done, says the store: all that a new process knows."""
        with self._lock:
            for key in keys:
                self._states.setdefault(key, _State(done=True))

    def force_recheck(self, keys: Iterable[Key]) -> None:
        """Whether they are done is to be found out: by the check, or by running them again."""
        with self._lock:
            for key in {*keys} & self._states.keys():
                state = self._states[key]
                state.done, state.checked, state.not_reported = None, float("-inf"), False

    def forget(self, keys: Iterable[Key]) -> None:
        """As if none had been run for these."""
        with self._lock:
            for key in keys:
                self._states.pop(key, None)

    def ask(
        self, commands: Collection[Command], uncertain: Collection[Key] = ()
    ) -> dict[Key, Found]:
        """Whether they are done; starts the checks that are due.

        ``in_doubt``: of these a process before this one may have run some, and died.
        """
        with self._lock:
            for key in {*uncertain} - self._states.keys():
                self._states[key].done = None
            due = [c for c in commands if c.check and self._is_due(self._states[c.key])]
            for command in due:
                self._states[command.key].doing = "is being checked"
        for command in due:
            self._start(functools.partial(self._check, command))
        with self._lock:
            for key in {command.key for command in commands} & self._states.keys():
                self._states[key].not_reported = False
        return self.known(commands)

    def known(self, commands: Collection[Command]) -> dict[Key, Found]:
        """The same, as far as it is known without a check."""
        with self._lock:
            return {command.key: self._found(command) for command in commands}

    def apply(self, steps: Sequence[Step]) -> dict[Key, Problem]:
        """Start them, unless there is a failure of the last time to be reported first: once.

        Those of one port run one after the other; the first that fails ends it.
        """
        failures = self.failures(steps)
        failed = {step.owner for step in steps if step.key in failures}
        chains: defaultdict[str, list[Command]] = defaultdict(list)
        for step in steps:
            if step.owner not in failed and isinstance(step.resource, Command):
                chains[step.owner].append(step.resource)
        for commands in chains.values():
            with self._lock:
                for command in commands:
                    self._states[command.key].doing = "is running"
            self._start(functools.partial(self._run_all, commands))
        return failures

    def failures(self, steps: Iterable[Step]) -> dict[Key, Problem]:
        """What came of their last runs, if they failed and it is not reported yet.

        A plug that failed does not matter to whoever undoes it, and the reverse.
        """
        failures = {}
        with self._lock:
            for step in steps:
                state = self._states[step.key]
                failure, state.failure = state.failure, None
                if failure and failure[0] is getattr(step.resource, "done", None):
                    failures[step.key] = failure[1]
        return failures

    def stop(self) -> None:
        """What waits for its turn is left; what runs has a few seconds to end."""
        with self._lock:
            self._jobs.clear()
            self._until = time.monotonic() + _LEAVE_SECONDS
            self._lock.wait_for(lambda: not self._workers, _LEAVE_SECONDS + 1)

    def _is_due(self, state: _State) -> bool:
        """An answer counts once at least: else a reconcile would wait for ever new ones."""
        if state.doing or state.not_reported:
            return False
        return time.monotonic() - state.checked > self._limits.check_lasts

    def _found(self, command: Command) -> Found:
        state = self._states.get(command.key) or _State()
        actual = dataclasses.replace(command, done=state.done)
        return Found(actual, ready=not state.doing, error=state.doing)

    def _start(self, job: Callable[[], None]) -> None:
        with self._lock:
            self._jobs.append(job)
            if self._workers >= self._limits.at_once:
                return
            self._workers += 1
        self._spawn(self._work)

    def _work(self) -> None:
        while job := self._next():
            try:
                job()
            except Exception:
                LOG.exception("A command broke off")

    def _next(self) -> Callable[[], None] | None:
        with self._lock:
            if self._jobs:
                return self._jobs.popleft()
            self._workers -= 1
            self._lock.notify_all()
            return None

    def _run_all(self, commands: Sequence[Command]) -> None:
        try:
            for command in commands:
                if not self._run_one(command):
                    break
        finally:
            self._end(commands)

    def _end(self, commands: Sequence[Command]) -> None:
        keys = frozenset(command.key for command in commands)
        with self._lock:
            for key in keys:
                self._states[key].doing = ""
        self._on_end(keys)

    def _run_one(self, command: Command) -> bool:
        began = time.monotonic()
        try:
            ended = self._run(command.vector, lambda: self._until)
            problem = None if ended.well else _failed(command, str(ended))
        except VifAgentError as error:
            ended, problem = None, _failed(command, str(error), type(error))
        program = command.vector[0]
        known = program if program in self._limits.programs.allowed else OTHER
        self.lasted.observe(time.monotonic() - began, known, "failed" if problem else "ok")
        LOG.info("Ran %s (%d ms): %s", command, 1000 * (time.monotonic() - began),
                 problem.message if problem else "done")  # fmt: skip
        with self._lock:
            state = self._states[command.key]
            if problem is None or _is_nothing_to_undo(command, state, ended, problem):
                state.done, state.tries = command.done, 0
                state.checked, state.not_reported = time.monotonic(), True
                return True
            state.failure = (command.done, problem)
            if command.done and ended:
                state.done = None
        return False

    def _check(self, command: Command) -> None:
        """A check that cannot be run says nothing, and what is known goes on to count."""
        done: bool | None = None
        try:
            ended = self._run(command.check, lambda: self._until)
            if ended.status is not None:
                done = ended.well
        except VifAgentError as error:
            LOG.warning("Cannot check %s: %s", command, error)
        with self._lock:
            state = self._states[command.key]
            state.checked, state.not_reported = time.monotonic(), True
            state.done = state.done if done is None else done
        self._end([command])


def _in_a_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="commands", daemon=True).start()


def _failed(command: Command, words: str, kind: type[VifAgentError] = CommandFailed) -> Problem:
    shown = words if len(words) <= _LONGEST_WORDS else "…" + words[-_LONGEST_WORDS:]
    return kind(f"{command}: {shown}").problem


def _is_nothing_to_undo(
    command: Command, state: _State, ended: Ended | None, problem: Problem
) -> bool:
    """What nobody knows to be done is tried to be undone, but not for ever: it may not be done.

    What hangs says nothing of it.
    """
    if command.done or state.done is not None or (ended and ended.status is None):
        return False
    state.tries += 1
    if problem.transient and state.tries < _TRIES_IF_UNCERTAIN:
        return False
    LOG.warning("Taken for undone, since nobody knows that it ever was done: %s", problem.message)
    return True
