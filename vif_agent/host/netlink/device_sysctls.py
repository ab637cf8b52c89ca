"""The sysctls of a device, of which the kernel tells nothing: read at each look.

Below directories that are kept open: the way from the root is half of what it takes.
"""

import os

_FAMILIES = {"disable_ipv6": "ipv6", "arp_ignore": "ipv4", "arp_announce": "ipv4"}
_NONE = -1


class DeviceSysctls:
    """Of the network namespace in which it is made."""

    def __init__(self) -> None:
        self._conf = {family: _opened(family) for family in ("ipv4", "ipv6")}

    def close(self) -> None:
        """Nothing is read after that."""
        for directory in self._conf.values():
            if directory != _NONE:
                os.close(directory)

    def read(self, field: str, device: str, absent: int | None) -> int | None:
        """``absent``: the answer for a device that has none, as without IPv6 (module absent, MTU
        below 1280)."""
        directory = self._conf[_FAMILIES[field]]
        try:
            file = os.open(f"{device}/{field}", os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
        except OSError:
            return absent
        try:
            return int(os.read(file, 16))
        finally:
            os.close(file)


def _opened(family: str) -> int:
    try:
        path = f"/proc/sys/net/{family}/conf"
        return os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:  # no such protocol
        return _NONE
