"""``report``: one archive of what whoever looks into a bug asks for first."""

import argparse
import datetime
import io
import json
import os
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from vif_agent.cmd.ctl import of_this_host
from vif_agent.cmd.ctl.app import Asking
from vif_agent.cmd.ctl.failures import Failed, Unreachable
from vif_agent.config.shown import without_logins
from vif_agent.ports.port import READY, UNPLUGGED

#: what the agent is asked: the file, the call, its arguments
_QUESTIONS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("health", "get_health", {}),
    ("status", "get_status", {}),
    ("ports", "list_vifs", {"unplugged": True}),
    ("plugins", "list_plugins", {}),
    ("orphans", "list_orphans", {}),
    ("cleanup-plan", "cleanup", {"dry_run": True}),
    ("firewall", "get_firewall", {}),
    ("topology", "get_topology", {}),
)
_MOST_PORTS = 20  # that are not well: how they differ, and what has happened to them

_Files: TypeAlias = Iterator[tuple[str, str]]


class BugReport(Asking):
    """Pack what a bug report needs into one tar.gz: answers of the agent, and of this host its
    configuration, log, store, kernel and Open vSwitch.

    Logins of URLs and options that are secret are left out. Names and addresses of ports are not.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Adds -o."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "-o", "--output", metavar="FILE", help="default: vif-agent-HOST-TIME.tar.gz, here"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Status 0 if there is an archive, whatever is missing in it: missing.txt says why."""
        now = datetime.datetime.now(datetime.UTC)
        name = f"vif-agent-{self.source.host.replace('/', '_')}-{now:%Y%m%dT%H%M%SZ}"
        path = Path(parsed_args.output or f"{name}.tar.gz")
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Failed(f"{path}: {error.strerror}") from error
        with os.fdopen(file, "wb") as raw, tarfile.open(fileobj=raw, mode="w:gz") as archive:
            for inside, text in self._files():
                _add(archive, f"{name}/{inside}", without_logins(text))
        self.say(str(path))
        return 0

    def _files(self) -> _Files:
        missing: list[str] = []
        sections = {
            f"{file}.json": self._answer(call, arguments) for file, call, arguments in _QUESTIONS
        }
        if self.source.is_of_this_host:
            sections |= of_this_host.files(self.source.conf)
        else:
            missing.append("of this host nothing: the agent's is another")
        silent = False
        for file, told in [*sections.items(), ("not-well.json", self._not_well)]:
            if silent and file.endswith(".json"):
                missing.append(f"{file}: not asked any more")
                continue
            try:
                yield file, told()
            except Exception as error:  # the rest is worth having all the same
                missing.append(f"{file}: {error}")
                silent |= isinstance(error, Unreachable)
        yield "missing.txt", "\n".join([*missing, ""])

    def _answer(self, call: str, arguments: dict[str, Any]) -> Callable[[], str]:
        return lambda: json.dumps(self.source.ask(call, **arguments), indent=1)

    def _not_well(self) -> str:
        ports = self.source.ask("list_vifs", unplugged=False)
        ill = [port["port_id"] for port in ports if port["state"] not in (READY, UNPLUGGED)]
        calls = ("check_vif", "explain_vif")
        return json.dumps(
            {i: {c: self.source.ask(c, port_id=i) for c in calls} for i in ill[:_MOST_PORTS]},
            indent=1,
        )


def _add(archive: tarfile.TarFile, name: str, text: str) -> None:
    data = text.encode(errors="replace")
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime, entry.mode = len(data), int(time.time()), 0o600
    archive.addfile(entry, io.BytesIO(data))
