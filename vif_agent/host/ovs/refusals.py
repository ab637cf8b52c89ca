"""What ovsdb-server says no with, and who must act. Pure.

Only that our values are wrong stays so. All else may be otherwise at the next try: a disk is full,
a standby server takes no writes for a moment, somebody has changed the rows meanwhile.

The words are those of RFC 7047 and of ovsdb-server's sources (ovsdb/execution.c, transaction.c).
"""

import json
import re
from typing import Any

from vif_agent.errors import HostRefused, NotYet, OvsdbUnavailable

#: a value of ours is out of the schema's bounds
_OURS = ("constraint violation", "domain error", "range error")
#: but for a name that was added since we looked (by libvirt, say)
_NAME_IS_THERE = "for index on column"
#: with its UUID
_ROW = re.compile(r"\b(row|UUID) [0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
#: the database takes nothing from anybody
_TAKES_NOTHING = ("I/O error", "not allowed", "resources exhausted", "unknown database")


class Overtaken(NotYet):
    """Refused for now, perhaps for one row's sake: somebody else has made or taken it under the
    plan. Look again."""


def refusal(reply: str) -> HostRefused | NotYet:
    """``reply``: what python-ovs has kept, the JSON of one operation's error."""
    error, text = _read(reply)
    if error in _TAKES_NOTHING:
        return OvsdbUnavailable(text)
    if error in _OURS and _NAME_IS_THERE not in text:
        return HostRefused(text)
    return Overtaken(text)


def _read(reply: str) -> tuple[str, str]:
    try:
        error: Any = json.loads(reply)
        parts = [error["error"], *(error[k] for k in ("details", "io-error") if k in error)]
        return str(error["error"]), "ovsdb: " + _without_uuids(": ".join(map(str, parts)))
    except (ValueError, TypeError, KeyError):
        return "", f"ovsdb: {reply}"


def _without_uuids(text: str) -> str:
    """A row that a transaction makes has another each time, and each text would be a new one."""
    return _ROW.sub(r"\1 …", text)
