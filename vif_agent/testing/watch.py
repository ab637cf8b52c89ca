"""A witness of writes: did anything change on this host, and what?"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from vif_agent.testing.netlink_events import NetlinkEvents
from vif_agent.testing.ovs import PrivateOvs
from vif_agent.testing.ovsdb_log import OvsdbLog

ADDRESSES = Path("/proc/thread-self/net/if_inet6")
IFA_F_TENTATIVE = 0x40


class WriteWatch:
    """Sees every change of a link or an address of this namespace, whoever made it, and every
    transaction that changed configuration in the OVSDB.

    Blind to what changes nothing (an OVSDB transaction that sets what is already set) and to what
    is told in no netlink group it listens to: qdiscs, bridge FDB entries, sysctls, routes. The
    kernel itself writes late (a carrier up to a second, an IPv6 address on a new link up to two):
    settle() before asking for silence.
    """

    def __init__(self, ovs: PrivateOvs | Path | None = None) -> None:
        self._database = ovs.database if isinstance(ovs, PrivateOvs) else ovs
        self._seen: list[str] = []

    def __enter__(self) -> Self:
        self._log = OvsdbLog(self._database) if self._database else None
        self._netlink = NetlinkEvents()
        self._seen.clear()
        return self

    def __exit__(self, *_: object) -> None:
        self._netlink.close()
        if self._log:
            self._log.close()

    def events(self) -> list[str]:
        """All since the beginning or the last settle(): netlink and OVSDB each in their order."""
        self._seen += map(str, self._netlink.read())
        if self._log:
            self._seen += self._log.read()
        return list(self._seen)

    def of(self, act: Callable[[], object]) -> list[str]:
        """What doing it writes. The kernel tells of a bridge's carrier up to seconds late, so a
        link event that is seen once was not ours: one that writes does so each time. OVSDB has no
        such excuse."""
        for _ in range(3):
            self.settle(quiet=1.2)
            act()
            seen = self.events()
            if not seen or any(event.startswith("OVSDB") for event in seen):
                break
        return seen

    def why(self, name: str) -> str:
        """What the last message of this link has that the one before had not."""
        return self._netlink.why.get(name, "")

    def forget(self) -> list[str]:
        """The same, and none of it is told again."""
        seen = self.events()
        self._seen.clear()
        return seen

    def settle(self, quiet: float = 0.5, timeout: float = 30) -> list[str]:
        """Wait until nothing was written for `quiet` seconds and no IPv6 address is still being
        checked for duplicates; then forget, and return, what was written."""
        deadline = time.monotonic() + timeout
        count, since = len(self.events()), time.monotonic()
        while time.monotonic() - since < quiet:
            if time.monotonic() > deadline:
                raise TimeoutError(f"still being written after {timeout} s: {self._seen[-5:]}")
            time.sleep(0.02)
            if len(self.events()) != count or _tentative_address():
                count, since = len(self._seen), time.monotonic()
        seen, self._seen = self._seen, []
        return seen


def _tentative_address() -> bool:
    lines = ADDRESSES.read_text().splitlines() if ADDRESSES.exists() else []
    return any(int(line.split()[4], 16) & IFA_F_TENTATIVE for line in lines)
