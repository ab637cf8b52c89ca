"""What a process of the unit can reach, seen from inside: run in place of the agent, with its
account, capability and sandbox. Prints JSON."""

import json
import os
import socket
import stat
from collections.abc import Callable, Iterator

#: of each process itself, and no way out of it
_OWN = ("/proc/", "/dev/pts", "/dev/fd")
_KERNELS = ("/proc/sys", "/proc/irq", "/proc/bus", "/proc/fs", "/proc/net", "/proc/scsi")


def walked() -> Iterator[tuple[str, os.stat_result]]:
    """All that is there, but for what processes have below /proc."""
    for top, directories, files in os.walk("/"):
        inner = [os.path.join(top, name) for name in directories]
        directories[:] = [
            name for name, path in zip(directories, inner, strict=True)
            if not (top == "/proc" and path not in _KERNELS)
        ]  # fmt: skip
        for path in (*inner, *(os.path.join(top, name) for name in files)):
            try:
                yield path, os.lstat(path)
            except OSError:
                continue


def works(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except OSError:
        return False
    return True


def opened(path: str) -> None:
    os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY))


def connected(path: str) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
        with socket.socket(socket.AF_UNIX, kind) as client:
            client.settimeout(1)
            if works(lambda: client.connect(path)):
                return True
    return False


def families() -> list[str]:
    made = []
    for family in socket.AddressFamily:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
            if works(lambda: socket.socket(family, kind).close()):  # noqa: B023
                made.append(family.name)
                break
    return made


def main() -> None:
    found: dict[str, list[str]] = {
        "writes": [],
        "devices": [],
        "sockets": [],
        "families": families(),
    }
    for path, what in walked():
        if stat.S_ISSOCK(what.st_mode):
            if connected(path):
                found["sockets"].append(path)
        elif stat.S_ISCHR(what.st_mode) or stat.S_ISBLK(what.st_mode):
            if works(lambda: opened(path)):  # noqa: B023
                found["devices"].append(path)
        elif not stat.S_ISLNK(what.st_mode) and os.access(path, os.W_OK, effective_ids=True):
            found["writes"].append(path)
    with open("/proc/self/status") as status:
        found["status"] = [
            line
            for line in status.read().splitlines()
            if line.startswith(("Cap", "NoNew", "Seccomp:"))
        ]
    print(json.dumps({key: sorted(set(values)) for key, values in found.items()}))


main()
