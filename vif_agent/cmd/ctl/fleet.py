"""``list``, ``orphans`` and ``status`` of several hosts: one table, and who has not answered."""

import argparse
import dataclasses
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from typing import Any

from cliff.commandmanager import CommandManager
from cliff.help import HelpCommand
from cliff.lister import Lister

from vif_agent.cmd.ctl import cells, hosts, ports, progress, state
from vif_agent.cmd.ctl.app import Asking
from vif_agent.cmd.ctl.failures import Failed
from vif_agent.cmd.ctl.remote import Remote

_AT_ONCE = 16
_SOME_SILENT, _ALL_SILENT = 1, 2
_STATUS = {
    "version": "version",
    "health": "health",
    "ports": "ports",
    "orphans": "orphans",
    "started_at": "started_at",
    "why": "why",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """Of one host; ``silent``: why there is none."""

    host: str
    value: Any = None
    silent: str | None = None


class OfSeveral(Asking, Lister):
    """A row for each thing of each host.

    Exit status: 0 if all hosts have answered, 1 if some have not, 2 if none has.
    """

    columns: Mapping[str, str]
    _status = 0

    def call(self, args: argparse.Namespace) -> tuple[str, dict[str, Any]]:
        """What each agent is asked."""
        raise NotImplementedError

    def items(self, answer: Any) -> Iterable[Mapping[str, Any]]:
        """The rows of one answer."""
        return list(answer)

    def take_action(self, parsed_args: argparse.Namespace) -> cells.Table:
        """By host, the silent ones among them, with a row of their own."""
        call, arguments = self.call(parsed_args)
        answers = self.app.fleet.ask(call, **arguments)
        silent = [answer.host for answer in answers if answer.silent]
        columns = {"host": "host", **self.columns}
        if silent or cells.whole(parsed_args):
            columns["no_answer"] = "no_answer"
        if silent:
            self._status = _ALL_SILENT if len(silent) == len(answers) else _SOME_SILENT
            self.app.LOG.warning(
                "%d of %d agents have not answered: %s",
                len(silent), len(answers), ", ".join(silent),
            )  # fmt: skip
        rows = [row for answer in answers for row in self._rows(answer)]
        return cells.table(parsed_args, columns, rows)

    def _rows(self, answer: Answer) -> Iterator[Mapping[str, Any]]:
        of_host = {"host": answer.host, "no_answer": answer.silent}
        nothing = dict.fromkeys(self.columns.values())
        items = [nothing] if answer.silent else self.items(answer.value)
        yield from ({**nothing, **item, **of_host} for item in items)

    def run(self, parsed_args: argparse.Namespace) -> int:
        """cliff knows of no status but 0."""
        return super().run(parsed_args) or self._status


class List(OfSeveral, ports.List):
    """List the ports of several hosts, by host, the oldest first."""

    columns = ports.COLUMNS

    def call(self, args: argparse.Namespace) -> tuple[str, dict[str, Any]]:
        """See OfSeveral."""
        return "list_vifs", {"unplugged": args.unplugged}


class Orphans(OfSeveral):
    """List what is left on several hosts and belongs to no port."""

    columns = state.ORPHANS

    def call(self, args: argparse.Namespace) -> tuple[str, dict[str, Any]]:
        """See OfSeveral."""
        return "list_orphans", {}


class Status(OfSeveral):
    """Show how the agents of several hosts are, in a row each."""

    columns = _STATUS

    def call(self, args: argparse.Namespace) -> tuple[str, dict[str, Any]]:
        """See OfSeveral."""
        return "get_status", {}

    def items(self, answer: Any) -> Iterable[Mapping[str, Any]]:
        """An older agent does not say how it is."""
        health = answer.get("health") or {"state": None, "why": None}
        return [{**answer, "health": health["state"], "why": health["why"] or None}]


class Commands(CommandManager):
    """Those that can be asked of several hosts."""

    def __init__(self, given: str) -> None:
        super().__init__()
        self._given = given
        for name, command in (("list", List), ("orphans", Orphans), ("status", Status)):
            self.add_command(name, command)
        self.add_command("help", HelpCommand)

    def find_command(self, argv: list[str]) -> Any:
        """ValueError has what is printed."""
        try:
            return super().find_command(argv)
        except ValueError:
            raise ValueError(
                f"--host {self._given}: of several hosts there are list, orphans and status; of "
                f"one at a time also {argv[0]}"
            ) from None


class Fleet:
    """The agents of the hosts that are named, or of all that say they are there."""

    def __init__(self, conf: Any, given: str, timeout: float) -> None:
        self._named, self._all = hosts.split(given)
        if not (self._named or self._all):
            raise Failed(f"--host {given}: names no host")
        self._remote = Remote(conf, self._named[0] if self._named else hosts.ALL, timeout)

    def ask(self, call: str, /, **arguments: Any) -> list[Answer]:
        """By host; some at a time. Failed where nobody is there to be asked."""
        crew = _Crew(lambda host: self._ask(host, call, arguments))
        asked: dict[str, Future[Answer]] = {}
        with progress.shown(lambda: _count(asked)):
            for host in self._hosts():
                if host not in asked:
                    asked[host] = crew.ask(host)
            answers = [asked[host].result() for host in sorted(asked)]
        if not answers:
            raise Failed(f"no agent has answered over {self._remote.bus}")
        return answers

    def close(self) -> None:
        """See Remote."""
        self._remote.close()

    def _hosts(self) -> Iterator[str]:
        """Who is named is asked first, and named again if he is silent."""
        yield from self._named
        if self._all:
            yield from self._remote.everybody()

    def _ask(self, host: str, call: str, arguments: Mapping[str, Any]) -> Answer:
        try:
            return Answer(host, self._remote.ask_of(host, call, **arguments))
        except Failed as error:
            return Answer(host, silent=str(error))


class _Crew:
    """Daemons, as the threads of concurrent.futures are not: who types Ctrl-C waits for no host."""

    def __init__(self, ask: Callable[[str], Answer]) -> None:
        self._ask = ask
        self._free = _AT_ONCE
        self._hosts: queue.SimpleQueue[tuple[str, Future[Answer]]] = queue.SimpleQueue()

    def ask(self, host: str) -> Future[Answer]:
        """As soon as one of the crew is free."""
        answer: Future[Answer] = Future()
        self._hosts.put((host, answer))
        if self._free:
            self._free -= 1
            threading.Thread(target=self._work, daemon=True).start()
        return answer

    def _work(self) -> None:
        while True:
            host, answer = self._hosts.get()
            try:
                answer.set_result(self._ask(host))
            except Exception as error:
                answer.set_exception(error)


def _count(asked: Mapping[str, Future[Answer]]) -> str:
    """Of those that are known by now."""
    known = list(asked.values())
    return f"{sum(future.done() for future in known)} of {len(known)} hosts are done"
