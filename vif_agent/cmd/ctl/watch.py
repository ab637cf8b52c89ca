"""``watch``."""

import argparse
import json
import logging
import time
from collections.abc import Iterator, Mapping
from typing import Any

from vif_agent.cmd.ctl.failures import Unreachable
from vif_agent.cmd.ctl.ports import OfPort, find
from vif_agent.cmd.ctl.why import event_line

LOG = logging.getLogger("vif-agentctl")

_PAUSE_SECONDS = 0.5
_AGAIN_SECONDS, _PATIENCE_SECONDS = 3.0, 60.0  # where there is no answer
_ANEW = "the agent was started anew; `vif-agentctl why PORT` tells what it did before"


class Watch(OfPort):
    """Print what happens to the host's ports, or to one, as it happens, until Ctrl-C.

    The agent is asked twice a second: it keeps nothing for who watches, and neither does the
    broker. One that does not answer for a minute is given up; a restart takes less.
    """

    nargs = "?"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Adds the format."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "-f", "--format", choices=("text", "json"), default="text", help="json: one a line"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Status 0 when it is ended by hand."""
        given = parsed_args.port
        port_id = find(self.source, given)["port_id"] if given else None
        try:
            for event in self._events(port_id):
                if parsed_args.format == "json":
                    print(json.dumps(event), file=self.app.stdout)
                else:
                    self.say(event_line(event, with_port=not port_id))
                self.app.stdout.flush()
        except KeyboardInterrupt:
            pass
        return 0

    def _events(self, port_id: str | None) -> Iterator[dict[str, Any]]:
        so_far = self.source.ask_agent("get_events", port_id=port_id)["so_far"]
        while True:
            time.sleep(_PAUSE_SECONDS)
            answer = self._ask(since=so_far, port_id=port_id)
            so_far = answer["so_far"]
            if lost := _ANEW if answer["lost"] is None else _lost(answer["lost"]):
                LOG.warning("%s", lost)
            yield from answer["events"]

    def _ask(self, **arguments: Any) -> Mapping[str, Any]:
        until, said = time.monotonic() + _PATIENCE_SECONDS, ""
        while True:
            try:
                return dict(self.source.ask_agent("get_events", **arguments))
            except Unreachable as error:
                if time.monotonic() > until:
                    raise
                if said != str(error):
                    LOG.warning("%s; asking again", error)
                said = str(error)
            time.sleep(_AGAIN_SECONDS)


def _lost(count: int) -> str:
    return f"{count} events came too fast, and are not shown" if count else ""
