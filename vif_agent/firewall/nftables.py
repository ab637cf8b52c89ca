"""Driver ``nftables``: a guest sends from its own MAC and addresses, and is neither DHCP server nor
router; Neutron's own DHCP servers and routers are what they are, from their own MAC.

What Neutron's own drivers hold of a port: its fixed addresses, its allowed address pairs, and the
link-local address of each MAC; where it has no fixed address, any (Neutron 29.0.0,
``iptables_firewall``).
"""

import dataclasses
from collections.abc import Iterable
from typing import Any

from vif_agent.firewall.base import FirewallDriver
from vif_agent.firewall.pairs import joined, link_local
from vif_agent.resources import Guard
from vif_agent.vif import Vif

_ANY = ("0.0.0.0/0", "::/0")
_DHCP, _SERVICES = "network:dhcp", "network:"


@dataclasses.dataclass(frozen=True, slots=True)
class NftablesDriver(FirewallDriver):
    """``strict``: of a port whose pairs nobody has told, its fixed addresses are all."""

    strict: bool = False

    @classmethod
    def from_conf(cls, conf: Any) -> "NftablesDriver":
        """See Extension."""
        return cls(strict=conf.firewall.unknown_pairs == "strict")

    def guard(self, vif: Vif) -> Guard | None:
        """None where Neutron's port security is off."""
        if vif.port_security is False:
            return None
        if (vif.device_owner or "").startswith(_SERVICES):
            return _of_a_service(vif)
        pairs = [(vif.mac, network) for network in self._own(vif)] + [*(vif.address_pairs or ())]
        macs = sorted({vif.mac, *(mac for mac, _ in pairs)})
        pairs += [(mac, link_local(mac)) for mac in macs]
        return Guard(name=vif.tap_name, macs=tuple(macs), pairs=joined(pairs))

    def _own(self, vif: Vif) -> Iterable[str]:
        told = self.strict or vif.address_pairs is not None
        return map(_alone, vif.ips) if told and vif.ips else _ANY


def _of_a_service(vif: Vif) -> Guard:
    """A router sends on what others say, the metadata proxy answers as 169.254.169.254. Neutron
    lets only those call a port so who may as well switch its port security off."""
    serves = vif.device_owner == _DHCP
    pairs = joined((vif.mac, network) for network in _ANY)
    return Guard(
        name=vif.tap_name, macs=(vif.mac,), pairs=pairs, dhcp_server=serves, router=not serves
    )


def _alone(address: str) -> str:
    """As a network of one."""
    return f"{address.partition('%')[0]}/{128 if ':' in address else 32}"
