"""Whether two sides wish the same for a host, told in one line.

Neutron's server and the host's agent both know which of Neutron's ports the host shall have
plugged, and how. The agent says the digest of what it knows in each report: where the server's is
another one, a cast was lost, and a full set mends it.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping

#: who casts in Neutron's name; such a port says so in its VIF's ``meta``
NEUTRON = "neutron"
_SENDER = "sender"


def signed(vif: Mapping[str, object], sender: str) -> dict[str, object]:
    """The same VIF, which says whose it is."""
    meta = vif.get("meta")
    return {**vif, "meta": {**(meta if isinstance(meta, Mapping) else {}), _SENDER: sender}}


def sender_of(vif: object) -> str:
    """Who signed it; empty for nobody."""
    meta = vif.get("meta") if isinstance(vif, Mapping) else None
    sender = meta.get(_SENDER) if isinstance(meta, Mapping) else None
    return sender if isinstance(sender, str) else ""


def digest(vifs: Iterable[object]) -> str:
    """Of VIFs as they were cast; in which order does not matter, nor that of their keys."""
    lines = sorted(json.dumps(vif, sort_keys=True, separators=(",", ":")) for vif in vifs)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
