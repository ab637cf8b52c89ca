"""Tables of others in nf_tables, and a witness of whatever is written to any table but ours."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator

from tests.support.nft_monitor import LOST, NftEvents

OURS = " bridge vif_agent, "
#: of others' programs, and some that are called almost as ours
RULES = """
table bridge others {
    set macs { type ether_addr; elements = { fa:16:3e:00:00:01 }; }
    chain ports {
        type filter hook prerouting priority -300; policy accept;
        ether saddr @macs counter
    }
}
table bridge vif_agent2 {
    chain guard {
        accept
    }
}
table inet vif_agent {
    chain ports { type filter hook forward priority 0; policy accept; }
}
table arp vif_agent {
    chain ports { type filter hook input priority 0; policy accept; }
}
"""
TABLES = ("bridge others", "bridge vif_agent2", "inet vif_agent", "arp vif_agent")
#: whatever of them is there
REMOVAL = "".join(f"add table {name}\ndelete table {name}\n" for name in TABLES)


class OthersTables:
    """Where nft is not installed, or the kernel has nothing for it, nothing is watched."""

    def __init__(self) -> None:
        self._events = NftEvents() if _has_nf_tables() else None
        self._listed = ""
        self.come()

    def come(self) -> None:
        """Whatever became of them before."""
        if self._events:
            _nft("-f", "-", commands=REMOVAL + RULES)
            self._listed = self._list()
        self.forget()

    def forget(self) -> None:
        """What was written until now."""
        self.touched()

    def touched(self) -> list[str]:
        """Every event since the last time that is of another table than ours, or is lost."""
        events = self._events.read() if self._events else []
        return [event for event in events if OURS not in event or event == LOST]

    def changed(self) -> str:
        """What they are now, if that is not what they were; their counters apart."""
        now = self._list()
        return "" if now == self._listed else now

    def close(self) -> None:
        """They do not stay: for many tests that come later it is the same namespace."""
        if self._events:
            self._events.close()
            _nft("-f", "-", commands=REMOVAL)

    def _list(self) -> str:
        """Without counters, and with handles, which tell a rule that was made anew."""
        if not self._events:
            return ""
        return "".join(_nft("-s", "-a", "list", "table", *name.split()) for name in TABLES)


def _nft(*words: str, commands: str = "") -> str:
    run = subprocess.run(
        ("nft", *words), input=commands, text=True, check=True, stdout=subprocess.PIPE
    )
    return run.stdout


def _has_nf_tables() -> bool:
    if not shutil.which("nft"):
        return False
    asked = subprocess.run(("nft", "list", "tables", "bridge"), capture_output=True, check=False)
    return not asked.returncode


@contextlib.contextmanager
def others_untouched() -> Iterator[None]:
    """Nothing is written to them meanwhile, by whomever, and they are as they were."""
    tables = OthersTables()
    try:
        yield
        assert not (touched := tables.touched()), touched
        assert not (changed := tables.changed()), changed
    finally:
        tables.close()
