"""``why``."""

import argparse
import datetime
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from vif_agent.cmd.ctl import cells
from vif_agent.cmd.ctl.failures import Failed
from vif_agent.cmd.ctl.ports import OfPort, find, whole

_AGES = ((86400, "d"), (3600, "h"), (60, "min"))
_WORD = 11  # characters of the second column


class Why(OfPort):
    """Say why a port is as it is: what happened to it, how the host is now, whose turn it is.

    Exit status: 0 if nobody has anything to do; 1 if somebody has; 2 if nothing is known of it.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Adds the format."""
        parser = super().get_parser(prog_name)
        parser.add_argument("-f", "--format", choices=("text", "json"), default="text")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """One that is forgotten may have a history yet."""
        given = parsed_args.port
        port_id = whole(given) or find(self.source, given)["port_id"]
        answer = self.source.ask("explain_vif", port_id=port_id)
        if not (answer["port"] or answer["events"]):
            raise Failed(f"{given}: unknown port on {self.source.host}")
        if parsed_args.format == "json":
            print(json.dumps(answer, indent=2), file=self.app.stdout)
        else:
            self.say("\n".join(lines(answer, datetime.datetime.now(datetime.UTC))))
        return int(bool(answer["next"] and answer["next"]["turn"] != "nobody"))


def lines(answer: Mapping[str, Any], now: datetime.datetime) -> Iterator[str]:
    """For people; times are UTC."""
    port = answer["port"]
    yield _heading(port, now) if port else f"{answer['port_id']}  forgotten"
    yield from (event_line(event) for event in answer["events"])
    if answer["history"]:
        yield from _rows("history", [answer["history"]])
    if port:
        yield from _rows("now", _now(answer["now"], port["port_id"]))
        yield from _rows("next", _next(answer))


def event_line(event: Mapping[str, Any], with_port: bool = False) -> str:
    """When, what, and more of it."""
    port = f"{event['port_id']}  " if with_port else ""
    return f"{_time(event['at'])}  {port}{event['what']:<{_WORD}} {event['text']}".rstrip()


def _heading(port: Mapping[str, Any], now: datetime.datetime) -> str:
    words = [port["port_id"], port["vif_type"] or "-", cells.text(port["devices"]), port["state"]]
    since = port["ready_at"] if port["state"] == "ready" else port["done_at"]
    if since:
        words[-1] += f" since {_time(since)} ({_age(since, now)})"
    return "  ".join(words)


def _now(now: Mapping[str, Any], port_id: str) -> list[str]:
    if not now["looked"]:
        return [f"not looked at: {now['text']}"]
    steps = now["text"].replace(f"refused: {port_id}: ", "refused: ").split("\n")
    rows = ["as asked"] if steps == ["nothing to do"] else steps
    rows += now["unready"]
    if now.get("guard"):
        rows.append(f"guard: {cells.guard(now['guard'])}")
    return [*rows, *(f"warning: {text}" for text in now["warnings"])]


def _next(answer: Mapping[str, Any]) -> Iterator[str]:
    then = answer["next"]
    yield f"{then['turn']} {then['text']}"
    if then["again_in_s"] is not None and then["failures"]:
        yield f"tried again in {then['again_in_s']:g} s; it has failed {then['failures']} time(s)"
    if answer.get("agent") == "does not run":
        yield "the agent does not run on this host"
        yield "$ systemctl start vif-agent"
    yield from (f"$ {command}" for command in then["commands"])


def _rows(name: str, texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield f"{name:<11} {text}".rstrip()
        name = ""


def _time(iso: str) -> str:
    return f"{datetime.datetime.fromisoformat(iso):%Y-%m-%d %H:%M:%S.%f}"[:-3]


def _age(iso: str, now: datetime.datetime) -> str:
    seconds = (now - datetime.datetime.fromisoformat(iso)).total_seconds()
    for unit, name in _AGES:
        if seconds >= unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{max(0.0, seconds):.0f} s"
