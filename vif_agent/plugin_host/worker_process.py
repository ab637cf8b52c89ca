"""The agent's side of a worker: start it, ask it, end it."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from typing import Any

from vif_agent.errors import Problem, VifAgentError, brief, plain
from vif_agent.plugin_host.kinds import KINDS
from vif_agent.plugin_host.protocol import CODES, LONGEST_TRACE, Answer, Channel, Loaded, Order
from vif_agent.vif import Vif

_STDERR = 2


class WorkerGone(VifAgentError):
    """The process hung, or ended, and is there no longer."""


class WorkerProcess:
    """Started anew, not forked: it has no socket, lock or capability of ours. For one thread."""

    def __init__(self, order: Order) -> None:
        ours, theirs = socket.socketpair()
        self._channel = Channel(ours)
        self._order = order
        self._ended = False
        with theirs:
            fd = theirs.fileno()
            self._process = subprocess.Popen(
                # -P: nothing of the working directory is imported
                (sys.executable, "-P", "-m", "vif_agent.plugin_host.worker", str(fd), order.name),
                stdin=subprocess.DEVNULL,
                stdout=_STDERR,  # what a plugin prints is no answer of vif-agentctl's
                pass_fds=(fd,),
                env={k: v for k, v in os.environ.items() if k != "NOTIFY_SOCKET"},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Of the process, which leads a session of its own."""
        return self._process.pid

    def load(self) -> Loaded | Answer:
        """What was loaded, or the problem; Gone."""
        order = self._order
        answer: Loaded | Answer = self._converse(order, Loaded | Answer, order.patience, "load")
        return answer

    def ask(self, vif: Vif) -> Answer:
        """WorkerGone if it hangs or ends meanwhile; PluginFailed for what could break a
        reconcile."""
        answer: Answer = self._converse(vif, Answer, self._order.limit, "answer")
        # there too, but it is a stranger's process
        KINDS[self._order.group].checked(answer.resources, vif)
        return answer

    def end(self) -> int:
        """SIGKILL, for it may hang, and so may what it has started; answers the exit status."""
        self._channel.close()
        if not self._ended:  # once: the number may be another group's later
            self._ended = True
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        return self._process.wait()

    def _converse(self, question: object, expected: object, seconds: float, what: str) -> Any:
        """The time is for all of it: also for being heard, and for the last byte of the answer."""
        until = time.monotonic() + seconds
        try:
            self._channel.send(question, until)
            return _of_a_stranger(self._channel.receive(expected, until))
        except TimeoutError:
            self.end()
            raise WorkerGone(f"did not {what} within {seconds:g} s") from None
        except (EOFError, OSError):
            raise WorkerGone(f"ended instead of {what}ing ({self._how()})") from None
        except Exception as error:
            self.end()
            raise WorkerGone(f"said what is no answer: {brief(error)}") from None

    def _how(self) -> str:
        """It closes its end a moment before it can be waited for."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        status = self.end()
        return f"signal {-status}" if status < 0 else f"exit status {status}"


def _of_a_stranger(answer: Loaded | Answer) -> Loaded | Answer:
    """What is stored, logged and shown of it; its resources are checked by their meanings."""
    if isinstance(answer, Loaded):
        aliases = {plain(name): plain(release) for name, release in answer.aliases.items()}
        return Loaded(plain(answer.contract), aliases)
    problem = answer.problem
    if problem and (problem.code not in CODES or problem.transient):
        raise ValueError(f"it has no {problem.code}")
    lines = answer.trace[-LONGEST_TRACE:].splitlines()
    return Answer(
        answer.resources,
        problem and Problem(problem.code, plain(problem.message)),
        "\n".join(map(plain, lines)),
    )
