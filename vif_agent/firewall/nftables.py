"""Driver ``nftables``: a guest sends from its own MAC and addresses, and is neither DHCP server nor
router.

What Neutron's own drivers hold of a port: its fixed addresses, its allowed address pairs, and the
link-local address of each MAC; where it has no fixed address, any (Neutron 29.0.0,
``iptables_firewall``).
"""

import dataclasses
import ipaddress
from collections.abc import Iterable, Iterator
from typing import Any

from vif_agent.firewall.base import FirewallDriver
from vif_agent.resources import Guard, Pairs
from vif_agent.vif import Vif

_ANY = ("0.0.0.0/0", "::/0")
_LINK_LOCAL = 0xFE80 << 112


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
        pairs = [(vif.mac, network) for network in self._own(vif)] + [*(vif.address_pairs or ())]
        macs = sorted({vif.mac, *(mac for mac, _ in pairs)})
        pairs += [(mac, link_local(mac)) for mac in macs]
        return Guard(name=vif.tap_name, macs=tuple(macs), pairs=joined(pairs))

    def _own(self, vif: Vif) -> Iterable[str]:
        told = self.strict or vif.address_pairs is not None
        return [ip.partition("%")[0] for ip in vif.ips] if told and vif.ips else _ANY


def joined(pairs: Iterable[tuple[str, str]]) -> Pairs:
    """As a Guard has them: of one MAC no network holds another."""
    by_mac: dict[str, list[ipaddress.IPv4Network | ipaddress.IPv6Network]] = {}
    for mac, network in pairs:
        by_mac.setdefault(mac, []).append(ipaddress.ip_network(network))
    return tuple(sorted((mac, net) for mac, nets in by_mac.items() for net in _collapsed(nets)))


def _collapsed(
    networks: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network],
) -> Iterator[str]:
    four = [one for one in networks if isinstance(one, ipaddress.IPv4Network)]
    six = [one for one in networks if isinstance(one, ipaddress.IPv6Network)]
    yield from map(str, ipaddress.collapse_addresses(four))
    yield from map(str, ipaddress.collapse_addresses(six))


def link_local(mac: str) -> str:
    """Of this MAC (RFC 4291, appendix A)."""
    octets = bytes.fromhex(mac.replace(":", ""))
    half = bytes([octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]])
    return f"{ipaddress.IPv6Address(_LINK_LOCAL + int.from_bytes(half))}/128"
