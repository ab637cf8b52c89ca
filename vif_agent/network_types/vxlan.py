"""Network type ``vxlan``: a tunnel device in the bridge, by multicast group or with given peers.

Names and defaults are those of Neutron's linux bridge agent.
"""

import dataclasses
import ipaddress
from collections.abc import Sequence
from typing import Any

from vif_agent.errors import InvalidRequest, NotConfigured
from vif_agent.network_types.base import TypeDriver
from vif_agent.resources import Resource, Vxlan
from vif_agent.vif import Vif

_VNIS = range(1, 1 << 24)


@dataclasses.dataclass(frozen=True, slots=True)
class VxlanDriver(TypeDriver):
    """``group``: an address, or a network of them from which each VNI gets one; in its stead that
    of the first of ``ranges`` with the VNI. ``peers`` come before them: what would go to the group
    then goes to each of them."""

    local_ip: str | None = None
    group: str = "224.0.0.1"
    ranges: tuple[tuple[str, range], ...] = ()
    peers: tuple[str, ...] = ()
    ttl: int | None = None
    port: int = 8472

    @classmethod
    def from_conf(cls, conf: Any) -> "VxlanDriver":
        """NotConfigured for options that do not go together."""
        given = conf.network
        local = given.vxlan_local_ip and str(ipaddress.ip_address(given.vxlan_local_ip))
        peers = {str(ipaddress.ip_address(p)) for p in given.vxlan_peers} - {local}
        driver = cls(
            local_ip=local,
            group=given.vxlan_group,
            ranges=tuple(map(_range, given.vxlan_multicast_ranges)),
            peers=tuple(sorted(peers)),
            ttl=given.vxlan_ttl,
            port=given.vxlan_port,
        )
        driver.check()
        return driver

    def check(self) -> None:
        """Raises NotConfigured where the addresses do not go together."""
        groups = [_network("vxlan_group", self.group)]
        groups += [_network("vxlan_multicast_ranges", group) for group, _ in self.ranges]
        addresses = [*self.peers, *([self.local_ip] if self.local_ip else [])]
        for address in map(ipaddress.ip_address, addresses):
            if address.is_multicast or address.is_unspecified:
                option = "vxlan_peers" if str(address) in self.peers else "vxlan_local_ip"
                raise NotConfigured(f"[network] {option}: {address} is no host's address")
        if not self.peers and self.local_ip:
            addresses += [str(group.network_address) for group in groups]
        if len({ipaddress.ip_address(a).version for a in addresses}) > 1:
            raise NotConfigured(f"[network] vxlan: IPv4 and IPv6 in {', '.join(addresses)}")

    def segment(self, vif: Vif, bridge: str) -> Sequence[Resource]:
        """A tunnel device of the VNI, with this host's address."""
        vni = vif.segmentation_id
        if vni is None or vni not in _VNIS:
            expected = f"a VNI from {_VNIS[0]} to {_VNIS[-1]}"
            raise InvalidRequest("vif.network.meta.segmentation_id", vni, expected)
        if not self.local_ip:
            raise NotConfigured("[network] vxlan_local_ip is not set: no tunnel has an end here")
        return (
            Vxlan(
                name=f"vxlan-{vni}",
                shared=True,
                vni=vni,
                local=self.local_ip,
                group="" if self.peers else self._group_of(vni),
                peers=self.peers or None,
                ttl=self.ttl,
                port=self.port,
                local_ip_present=True,
                master=bridge,
                mtu=vif.mtu,
                disable_ipv6=True,
            ),
        )

    def _group_of(self, vni: int) -> str:
        """Neutron's rules: the first range counts, and the VNI's low bits are the host part."""
        given = next((group for group, vnis in self.ranges if vni in vnis), self.group)
        network = ipaddress.ip_network(given)
        return str(network.network_address + (vni & int(network.hostmask)))


def _range(given: str) -> tuple[str, range]:
    """From the right: the group's address may have colons."""
    group, *vnis = given.rsplit(":", 2)
    if len(vnis) != 2 or not all(vni.isdecimal() for vni in vnis):
        raise NotConfigured(f"[network] vxlan_multicast_ranges: {given} is not GROUP:FIRST:LAST")
    first, last = map(int, vnis)
    if first > last or first not in _VNIS or last not in _VNIS:
        raise NotConfigured(f"[network] vxlan_multicast_ranges: {given} is no range of VNIs")
    return group, range(first, last + 1)


def _network(option: str, given: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        group = ipaddress.ip_network(given)
    except ValueError as error:
        raise NotConfigured(f"[network] {option}: {error}") from None
    if not group.is_multicast:
        raise NotConfigured(f"[network] {option}: {given} is not multicast")
    return group
