"""A real MariaDB of one's own: unpacked by ``scripts/mariadb``, reached by its socket alone."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

from vif_agent.testing import processes
from vif_agent.testing.processes import Private, Process

#: the directory that scripts/mariadb makes
ROOT = Path(os.environ.get("VIF_AGENT_MARIADB") or Path(__file__).parents[3] / ".mariadb")
_FIRST = "CREATE DATABASE neutron CHARACTER SET utf8mb4;\n"


class PrivateMariaDb(Private):
    """With an empty database ``neutron``. Nobody is asked for a password, and there are no system
    tables: who can open the socket may do everything. What is committed survives kill()."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.data = directory / "data"
        self.socket = directory / "socket"
        self.url = f"mysql+pymysql://root@/neutron?unix_socket={self.socket}&charset=utf8mb4"
        self.process: Process | None = None

    def start(self) -> None:
        """Returns when it takes connections."""
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Returns while it is still coming up."""
        first = self.directory / "first.sql"
        first.write_text(_FIRST.replace("DATABASE", "DATABASE IF NOT EXISTS"))
        self.data.mkdir(exist_ok=True)
        self.process = processes.start(self._argv(first), _environment(), self.directory / "log")

    def wait_ready(self) -> None:
        """Raises when it has ended."""
        processes.wait_until(self._accepts, "mariadbd", self.process, timeout=120)

    def stop(self) -> None:
        """Orderly."""
        processes.end(self.process, timeout=30)
        self.process = None

    def kill(self) -> None:
        """SIGKILL."""
        processes.kill(self.process)
        self.process = None

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """SIGSTOP: it takes connections, and answers nobody."""
        assert self.process
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def _argv(self, first: Path) -> tuple[str, ...]:
        return (
            *(str(ROOT / "usr/sbin/mariadbd"), "--no-defaults", "--user=root"),
            *(f"--basedir={ROOT / 'usr'}", f"--datadir={self.data}"),
            *(f"--socket={self.socket}", f"--pid-file={self.directory / 'pid'}"),
            *("--skip-networking", "--skip-grant-tables", "--max-connections=500"),
            *("--innodb-buffer-pool-size=128M", "--innodb-log-file-size=32M"),
            *("--innodb-flush-log-at-trx-commit=2", f"--init-file={first}"),
        )

    def _accepts(self) -> bool:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(5)
            sock.connect(str(self.socket))
            return bool(sock.recv(1))
        return False


def _environment() -> dict[str, str]:
    if not (ROOT / "usr/sbin/mariadbd").exists():
        raise FileNotFoundError(f"{ROOT}: run scripts/mariadb, which unpacks MariaDB there")
    libraries = ":".join(str(path) for path in ROOT.glob("usr/lib/*-linux-gnu"))
    return {"PATH": os.environ.get("PATH", os.defpath), "LD_LIBRARY_PATH": libraries}
