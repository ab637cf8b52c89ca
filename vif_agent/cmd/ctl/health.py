"""``health``: one line and an exit status, for people and for whoever watches over hosts."""

import argparse
import json

from vif_agent.cmd.ctl import cells
from vif_agent.cmd.ctl.app import Asking
from vif_agent.health import DEGRADED, DOWN, HEALTHY

_STATUS = {HEALTHY: 0, DEGRADED: 1, DOWN: 2}


class Health(Asking):
    """Say in one line how the agent is, and why.

    Exit status: 0 healthy; 1 degraded: it works, but something that it needs does not; 2 down, or
    it cannot be asked.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Adds --json."""
        parser = super().get_parser(prog_name)
        parser.add_argument("--json", action="store_true", help="all parts, as JSON")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """The status follows from the state."""
        answer = self.source.ask("get_health")
        if unreachable := self.source.unreachable:
            worse = DEGRADED if answer["state"] == HEALTHY else answer["state"]
            why = "; ".join(filter(None, (unreachable, answer["why"])))
            answer = {**answer, "state": worse, "why": why}
        line = ": ".join(filter(None, (answer["state"], cells.text(answer["why"] or ""))))
        self.say(json.dumps(answer, indent=2) if parsed_args.json else line)
        return _STATUS.get(answer["state"], _STATUS[DOWN])
