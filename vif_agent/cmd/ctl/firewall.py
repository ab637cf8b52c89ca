"""``firewall``."""

import argparse
import json
from collections.abc import Iterator
from typing import Any

from vif_agent.cmd.ctl import cells
from vif_agent.cmd.ctl.app import Asking

_RULES = """\
{tables} vif_agent: frames from {devices} pass only as it is said here; others are not looked at
{guards}
from all of these no DHCP server's answers and no router advertisements, but where it is said;
no VLAN tags; IP, ARP and RARP only, and what [firewall] permitted_ethertypes names"""


class Firewall(Asking):
    """Say in words which ports the agent guards, and what was dropped."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Adds --json."""
        parser = super().get_parser(prog_name)
        parser.add_argument("--json", action="store_true", help="the agent's answer as JSON")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Status 1 where a guard is there and the rules are not."""
        answer = self.source.ask("get_firewall")
        self.say(json.dumps(answer, indent=2) if parsed_args.json else "\n".join(_lines(answer)))
        return int(not all(guard["enforced"] for guard in answer["guards"]))


def _lines(answer: dict[str, Any]) -> Iterator[str]:
    guards = answer["guards"]
    if not guards:
        yield f"no port is guarded: {answer.get('missing') or 'see [firewall] driver'}"
        return
    lines = [f"  port {cells.text(guard['port_id'])}: {cells.guard(guard)}" for guard in guards]
    count = "1 device" if len(guards) == 1 else f"{len(guards)} devices"
    routed = any(guard.get("routed") for guard in guards)  # agents of before do not say it
    tables = "tables bridge, inet and arp" if routed else "table bridge"
    yield _RULES.format(tables=tables, devices=count, guards="\n".join(lines))
    if not all(guard["enforced"] for guard in guards):
        yield "NOT ENFORCED: somebody has changed the rules; the agent writes them anew"
    yield f"dropped, of all ports there were: {cells.dropped(answer['drops'])}"
