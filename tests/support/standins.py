"""Small programs that stand in for vendors': they record what they were called with."""

from __future__ import annotations

from pathlib import Path

from vif_agent.host.commands import Limits
from vif_agent.host.programs import Programs

#: ``| DEVICE`` follows for each argument that is a device at this moment
_SCRIPT = """\
#!/bin/sh
here=$(dirname "$0")
line="$(basename "$0") $*"
for word; do ip link show dev "$word" >/dev/null 2>&1 && line="$line | $word"; done
echo "$line" >>"$here/ran"
if [ -e "$here/hang" ]; then sleep 600 & echo $! >>"$here/children"; wait; fi
if [ -e "$here/script" ]; then . "$here/script"; fi
if [ -e "$here/words" ]; then cat "$here/words" >&2; exit 3; fi
"""


class Standins:
    """``allowed``: as in the configuration. ``then``: shell that is run when it is called."""

    def __init__(self, directory: Path, *names: str) -> None:
        self.directory = directory
        self._reported = 0
        self.allowed = {name: str(self._install(name)) for name in names}

    def limits(self, timeout: float = 30, at_once: int = 8, check_lasts: float = 60) -> Limits:
        return Limits(Programs(self.allowed, timeout=timeout), at_once, check_lasts)

    def option(self) -> str:
        return ",".join(f"{name}:{path}" for name, path in self.allowed.items())

    def ran(self) -> list[str]:
        """The command lines since the last time, in order.

        The record stays: one may be writing to it at this moment.
        """
        record = self.directory / "ran"
        text = record.read_text() if record.exists() else ""
        whole = text[: text.rfind("\n") + 1].splitlines()
        lines, self._reported = whole[self._reported :], len(whole)
        return lines

    def fail(self, words: str) -> None:
        (self.directory / "words").write_text(words)

    def hang(self) -> None:
        (self.directory / "hang").touch()

    def then(self, script: str) -> None:
        (self.directory / "script").write_text(script)

    def children(self) -> set[int]:
        """What those that hang have started, and lives."""
        record = self.directory / "children"
        text = record.read_text().split() if record.exists() else []
        return {int(pid) for pid in text if _lives(Path("/proc", pid, "stat"))}

    def be_well(self) -> None:
        for name in ("words", "hang", "script"):
            (self.directory / name).unlink(missing_ok=True)

    def _install(self, name: str) -> Path:
        path = self.directory / name
        path.write_text(_SCRIPT)
        path.chmod(0o755)
        return path


def _lives(process: Path) -> bool:
    """A zombie does not: it waits for its new parent."""
    try:
        return process.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
