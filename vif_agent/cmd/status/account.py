"""The account that the agent runs as, and what it may do: the one that asks may be root."""

import os
import pwd
import subprocess
from pathlib import Path
from typing import NamedTuple

_SECONDS = 10.0


class Account(NamedTuple):
    """``name``: its number, where it has none."""

    uid: int
    gid: int
    name: str
    groups: tuple[int, ...]

    @classmethod
    def of(cls, state: Path) -> "Account":
        """Whose the directory of the store is; our own where that is not there, or we cannot be
        another."""
        owner = state.stat().st_uid if os.geteuid() == 0 and state.exists() else os.geteuid()
        try:
            entry = pwd.getpwuid(owner)
        except KeyError:
            return cls(owner, owner, str(owner), ())
        groups = os.getgrouplist(entry.pw_name, entry.pw_gid)
        return cls(owner, entry.pw_gid, entry.pw_name, tuple(groups))

    def may(self, how: str, path: str | Path) -> bool:
        """``how``: letters of r, w and x. Whatever group a unit may give it is not counted."""
        if self.uid == os.geteuid():
            return os.access(path, sum({"r": os.R_OK, "w": os.W_OK, "x": os.X_OK}[c] for c in how))
        return all(self._test(letter, path) for letter in how)

    def _test(self, letter: str, path: str | Path) -> bool:
        """By a process of the account's: what there is of ACLs and of directories above counts."""
        done = subprocess.run(
            ("test", f"-{letter}", str(path)),
            check=False, timeout=_SECONDS, cwd="/",
            user=self.uid, group=self.gid, extra_groups=self.groups,
        )  # fmt: skip
        return done.returncode == 0
