"""``plan plug``, ``plan unplug``, ``plan sync``, ``plan cleanup``: nothing is done."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from vif_agent.cmd.ctl.app import Asking
from vif_agent.cmd.ctl.failures import Failed


class Plan(Asking):
    """What a cast would do; ``cast`` is the cast's name."""

    cast = ""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Adds --json."""
        parser = super().get_parser(prog_name)
        parser.add_argument("--json", action="store_true", help="the steps as JSON")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """1 when the agent would refuse the cast."""
        answer = self.source.ask("plan", cast=self.cast, **self.arguments(parsed_args))
        self.say(json.dumps(answer["steps"], indent=2) if parsed_args.json else answer["text"])
        return int(answer["steps"] is None)

    def arguments(self, parsed_args: argparse.Namespace) -> dict[str, Any]:
        """Of the call "plan", besides ``cast``."""
        return {}


class OfFile(Plan):
    """A plan of what a JSON file says."""

    what = 'a VIF, or {"instance": ..., "vif": ...}'

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Adds FILE."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "file",
            nargs="?",
            default="-",
            metavar="FILE",
            help=f"JSON: {self.what}; standard input if - or left out",
        )
        return parser

    def arguments(self, parsed_args: argparse.Namespace) -> dict[str, Any]:
        """Of one VIF, with its instance or without."""
        given = _read(parsed_args.file)
        if isinstance(given, dict) and "vif" in given:
            return {"instance": given.get("instance") or {}, "vif": given["vif"]}
        return {"instance": {}, "vif": given}


class Plug(OfFile):
    """Print what a plug of this VIF would do now."""

    cast = "plug_vif"


class Unplug(OfFile):
    """Print what an unplug of this VIF would do now; {"id": PORT_UUID} is enough."""

    cast = "unplug_vif"


class Sync(OfFile):
    """Print what it would do now if these were the ports of the host."""

    cast = "sync_vifs"
    what = 'a list of VIFs, or of {"instance": ..., "vif": ...}'

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Adds --complete."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--complete", action="store_true", help="these are all: others are unplugged"
        )
        return parser

    def arguments(self, parsed_args: argparse.Namespace) -> dict[str, Any]:
        """Of a list of VIFs."""
        return {"vifs": _read(parsed_args.file), "complete": parsed_args.complete}


class Cleanup(Plan):
    """Print what a clean-up would remove now."""

    cast = "cleanup"


def _read(name: str) -> Any:
    try:
        return json.loads(sys.stdin.read() if name == "-" else Path(name).read_bytes())
    except OSError as error:
        raise Failed(f"{name}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise Failed(f"{name}: is not JSON: {error}") from error
