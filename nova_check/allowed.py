"""The differences that may be. Each stands in docs/nova.md, "What differs on the host"."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from nova_check.compare import ABSENT, WHOLE, Difference

DOCS = Path(__file__).parent.parent / "docs" / "nova.md"


@dataclass(frozen=True)
class Allowed:
    """``listed``: the first cell of its row in docs/nova.md. All others are shell patterns."""

    listed: str
    thing: str
    field: str
    osvif: str
    agent: str
    cases: str = "*"

    def fits(self, case: str, found: Difference) -> bool:
        pairs = (
            (case, self.cases),
            (found.thing, self.thing),
            (found.field, self.field),
            (found.osvif, self.osvif),
            (found.agent, self.agent),
        )
        return all(fnmatchcase(value, pattern) for value, pattern in pairs)


_QOS = "owner of the QoS row"
_DEAD = "isolation of a port in a bridge of its own"
_IPV6 = "IPv6 on `qvb` and `qvo`"
_DELEGATED = "port of a VIF without `delegate_create`"

ALLOWED = (
    Allowed("ownership", "link *", "ifalias", ABSENT, "vif-agent ????????-*"),
    Allowed("ownership", "Interface *", "external_ids:vif-agent", ABSENT, "????????-*"),
    Allowed("ownership", "Bridge tbr-*", "external_ids:vif-agent", ABSENT, "????????-*"),
    Allowed("ownership", "Bridge pb*", "external_ids:vif-agent", ABSENT, "????????-*"),
    Allowed(_QOS, "QoS of *", "external_ids:_type", "linux-noop", ABSENT),
    Allowed(_QOS, "QoS of *", "external_ids:id", "*", ABSENT),
    Allowed(_QOS, "QoS of *", "external_ids:vif-agent", ABSENT, "????????-*"),
    Allowed(_QOS, "QoS of *", "external_ids:vif-agent-port", ABSENT, "*"),
    Allowed(_DEAD, "Port tap*", "tag", "4095", "", "*own bridge*"),
    Allowed(_DEAD, "Port tap*", "trunks", "4095", "", "*own bridge*"),
    Allowed(_DEAD, "Port tap*", "vlan_mode", "trunk", "", "*own bridge*"),
    Allowed(_DEAD, "Port ibp*", "trunks", "", "4095", "*own bridge*"),
    Allowed(_DEAD, "Port ibp*", "vlan_mode", "", "trunk", "*own bridge*"),
    Allowed(_IPV6, "link qv[bo]*", "sysctl ipv6 disable_ipv6", "0", "1"),
    Allowed(_IPV6, "link qv[bo]*", "addresses", "inet6 link", ""),
    Allowed("MTU of OVS ports", "Interface *", "mtu_request", "", "1450"),
    Allowed("datapath of a bridge that is there", "Bridge *", "datapath_type", "system", "netdev"),
    Allowed("packet information header of a tap", "link tap*", "*.pi", "True", "False"),
    Allowed("who may open a tap", "link tap*", "*.user", ABSENT, "root"),
    Allowed(_DELEGATED, "Bridge *", "ports", "br-int", "br-int,tap*", "*not delegated"),
    Allowed(_DELEGATED, "Interface *", WHOLE, ABSENT, "there", "*not delegated"),
    Allowed(_DELEGATED, "Port *", WHOLE, ABSENT, "there", "*not delegated"),
    Allowed(_DELEGATED, "QoS *", WHOLE, ABSENT, "there", "*not delegated"),
)


def allowing(case: str, found: Difference) -> Allowed | None:
    return next((allowed for allowed in ALLOWED if allowed.fits(case, found)), None)


def unlisted() -> list[str]:
    """What docs/nova.md has no row of."""
    text = DOCS.read_text()
    return sorted({a.listed for a in ALLOWED if f"\n| {a.listed} |" not in text})


def unmet(met: Iterable[Allowed]) -> list[str]:
    """What no case has shown: it is not true any more."""
    seen = set(met)
    return [f"{a.listed}: {a.thing}, {a.field}" for a in ALLOWED if a not in seen]
