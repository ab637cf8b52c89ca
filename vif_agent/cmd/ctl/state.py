"""``status``, ``plugin list``, ``orphans``, ``cleanup``."""

import argparse
import contextlib
from collections.abc import Mapping
from typing import Any

from cliff.lister import Lister
from cliff.show import ShowOne

from vif_agent.cmd.ctl import cells
from vif_agent.cmd.ctl.app import Asking
from vif_agent.cmd.ctl.failures import Failed

_PLUGINS = {
    "vif_type": "vif_type",
    "plugin": "plugin",
    "package": "package",
    "contract": "contract",
    "deprecated": "deprecated",
    "error": "error",
    "kind": "kind",
}
_DRIVER, _USED = "firewall driver", "firewall driver, used"
ORPHANS = {
    "port": "port_id",
    "devices": "devices",
    "sightings": "sightings",
    "first_seen": "first_seen",
    "due": "due",
    "in_use": "in_use",
    "why": "why",
}


class Status(Asking, ShowOne):
    """Show how the agent is."""

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], list[Any]]:
        """A row for each key of the answer."""
        answer = {"agent": "runs", **self.source.ask("get_status")}
        return cells.one(parsed_args, answer if cells.whole(parsed_args) else _flat(answer))


def _flat(answer: dict[str, Any]) -> dict[str, Any]:
    """For people: each part of the health in a row of its own, and of Neutron a line."""
    health, neutron = answer.pop("health", None), answer.pop("neutron", None)
    answer |= {"neutron": _of_neutron(neutron)} if neutron else {}
    if not health:
        return answer
    parts = {f"health of {name}": part for name, part in health["parts"].items()}
    return {**answer, "health": health["state"], **parts}


def _of_neutron(view: Mapping[str, Any]) -> str:
    """How it knows the agent, since when, and what it has yet to hear."""
    known = view["trouble"] or f"{view['answer']}, {view['answered_at']}"
    return f"{known}; {view['ports_to_tell']} ports to tell, {view['ports_failed']} failed"


class PluginList(Asking, Lister):
    """List the vif_types that can be plugged, the plugins that do not load, and the firewall
    drivers."""

    def take_action(self, parsed_args: argparse.Namespace) -> cells.Table:
        """A row for each vif_type, and then for each driver; an older agent tells of none."""
        rows = [{**line, "kind": "plugin"} for line in self.source.ask("list_plugins")]
        with contextlib.suppress(Failed):
            rows += map(_driver, self.source.ask("list_firewall_drivers"))
        return cells.table(parsed_args, _PLUGINS, rows)


def _driver(line: Mapping[str, Any]) -> dict[str, Any]:
    """As a row of ``plugin list``."""
    kind = _USED if line["used"] else _DRIVER
    return {**line, "vif_type": None, "plugin": line["driver"], "kind": kind}


class Orphans(Asking, Lister):
    """List what is left on the host and belongs to no port."""

    def take_action(self, parsed_args: argparse.Namespace) -> cells.Table:
        """A row for each port."""
        return cells.table(parsed_args, ORPHANS, self.source.ask("list_orphans"))


class Cleanup(Asking):
    """Remove the orphans that are due. Exit status 1 if that was not done, or not wholly."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Adds --dry-run."""
        parser = super().get_parser(prog_name)
        parser.add_argument("--dry-run", action="store_true", help="only print what would go")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Status 1: something could not go, or no agent is there to remove it."""
        answer = self.source.ask("cleanup", dry_run=parsed_args.dry_run)
        failed = [f"cannot remove {name}: {why}" for name, why in answer["failed"].items()]
        self.say("\n".join([answer["text"], *failed]))
        return int(answer["steps"] is None or bool(failed))
