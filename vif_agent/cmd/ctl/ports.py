"""``list``, ``show``, ``check``, ``repair``."""

import argparse
import contextlib
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from cliff.lister import Lister
from cliff.show import ShowOne

from vif_agent.cmd.ctl import cells
from vif_agent.cmd.ctl.app import Asking, seconds
from vif_agent.cmd.ctl.failures import Failed
from vif_agent.errors import InvalidRequest, OvsdbUnavailable
from vif_agent.ports.port import ERROR, RETRYING, UNPLUGGED
from vif_agent.vif import canonical

if TYPE_CHECKING:
    from vif_agent.cmd.ctl.source import Source

_LEAST = 8  # characters of a UUID that is cut short
COLUMNS = {
    "port": "port_id",
    "vif_type": "vif_type",
    "state": "state",
    "devices": "devices",
    "ms": "elapsed_ms",
    "error": "error",
}
_AS_DESIRED, _DIFFERS, _UNANSWERED = 0, 1, 2


class List(Asking, Lister):
    """List the ports of the host, the oldest first."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Adds --unplugged."""
        parser = super().get_parser(prog_name)
        parser.add_argument("--unplugged", action="store_true", help="those unplugged lately too")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> cells.Table:
        """A row for each port."""
        ports = self.source.ask("list_vifs", unplugged=parsed_args.unplugged)
        return cells.table(parsed_args, COLUMNS, ports)


class OfPort(Asking):
    """A command with one port."""

    nargs: str | None = None

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Adds PORT."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "port",
            nargs=self.nargs,
            metavar="PORT",
            help=f"the port's UUID, its first {_LEAST} or more characters, or a device of its own",
        )
        return parser


class Show(OfPort, ShowOne):
    """Show what was asked for a port, and what became of it."""

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], list[Any]]:
        """A row for each key of the port."""
        return cells.one(parsed_args, find(self.source, parsed_args.port))


class Check(OfPort):
    """Say how the host differs from what a port wants.

    Exit status: 0 if all is as desired and ready; 1 if not; 2 if the port is not known, or the
    question could not be answered.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Adds --json."""
        parser = super().get_parser(prog_name)
        parser.add_argument("--json", action="store_true", help="the agent's answer as JSON")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Status 0 if the port is as wanted."""
        port = find(self.source, parsed_args.port)
        answer = self.source.ask("check_vif", port_id=port["port_id"])
        self.say(json.dumps(answer, indent=2) if parsed_args.json else _differences(answer))
        return _verdict(answer)


class Repair(OfPort):
    """Reconcile a port again, or the whole host: put right what differs."""

    nargs = "?"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Adds --wait."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--wait",
            type=seconds,
            metavar="SECONDS",
            help="of the whole host: until the agent has done it, at most so long; then the exit "
            "status is 1 if a port is not ready",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """An agent is only asked to; without one it is done here, and status 1 says it failed."""
        given = parsed_args.port
        if parsed_args.wait:
            return self._wait(given, parsed_args.wait)
        port_id = find(self.source, given)["port_id"] if given else None
        repaired = self.source.ask("repair", port_id=port_id)
        if repaired is None:
            what = f"port {port_id}" if port_id else "all its ports"
            self.say(
                f"the agent on {self.source.host} reconciles {what}: it puts right what differs"
            )
            return 0
        self.say("\n".join(map(_became, repaired)) or "nothing to do")
        return int(any(port["error"] for port in repaired))

    def _wait(self, given: str | None, limit: float) -> int:
        if given:
            raise Failed("--wait is for the whole host; of one port tells: vif-agentctl check PORT")
        from vif_agent.cmd.ctl import settling

        well, words = settling.repaired(self.source, limit)
        self.say(words)
        return int(not well)


class Forget(OfPort):
    """Forget a port's generation, so that the next cast for it counts.

    For a sender whose clock was ahead. What is plugged stays plugged; of a port that is unplugged
    nothing is remembered any more, nor of one that is unreadable in the store.
    """

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Status 1 for a port that is not known."""
        port_id = whole(parsed_args.port) or find(self.source, parsed_args.port)["port_id"]
        answer = self.source.ask("forget_vif", port_id=port_id)
        self.say(f"port {port_id}: {answer}")
        return int(answer == "unknown port")


def whole(given: str) -> str | None:
    """A UUID needs no look-up: one that is unreadable is in no list."""
    with contextlib.suppress(InvalidRequest):
        return canonical("PORT", given)
    return None


def find(source: "Source", given: str) -> dict[str, Any]:
    """The port of this UUID, the only one whose UUID begins so, or that has such a device."""
    if port_id := whole(given):
        port = source.ask("get_vif", port_id=port_id)
        ports = [port] if port else []
    else:
        ports = _called(given, source.ask("list_vifs", unplugged=True))
    if not ports and len(given) < _LEAST:
        raise Failed(f"{given}: at least the first {_LEAST} characters of a port's UUID are needed")
    if not ports:
        raise Failed(f"{given}: unknown port on {source.host}")
    if len(ports) > 1:
        several = ", ".join(port["port_id"] for port in ports)
        raise Failed(f"{given}: ambiguous, is the beginning or a device of {several}")
    return dict(ports[0])


def _called(given: str, known: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """One that was unplugged lately does not make another ambiguous."""
    start = given.lower() if len(given) >= _LEAST else "-"
    ports = [p for p in known if p["port_id"].startswith(start) or given in p["devices"]]
    return [port for port in ports if port["state"] != UNPLUGGED] or ports


def _verdict(answer: dict[str, Any]) -> int:
    refused = (answer["steps"] or {}).get("refused", ())
    if answer["steps"] is None or any(r["code"] == OvsdbUnavailable.code for r in refused):
        return _UNANSWERED
    return _AS_DESIRED if answer["ok"] else _DIFFERS


def _differences(answer: dict[str, Any]) -> str:
    warnings = [f"warning: {text}" for text in answer.get("warnings", ())]
    if guard := answer.get("guard"):
        warnings.insert(0, f"guard: {cells.guard(guard)}")
    if answer["ok"]:
        return "\n".join([f"{answer['port_id']} {answer['state']}: as desired", *warnings])
    lines = [f"{answer['port_id']} {answer['state']}:", answer["text"], *answer["unready"]]
    if answer["error"]:
        lines.append(cells.text(answer["error"]))
    return "\n".join([*lines, *warnings])


def _became(port: dict[str, Any]) -> str:
    if port["state"] in (ERROR, RETRYING):
        return f"not repaired {port['port_id']}: {cells.text(port['error'])}"
    return f"repaired {port['port_id']} {port['state']}: {cells.text(port['devices'])}"
