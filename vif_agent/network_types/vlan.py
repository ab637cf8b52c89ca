"""Network type ``vlan``: an 802.1Q device on the physical network's NIC, in the bridge."""

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Any

from vif_agent.errors import InvalidRequest
from vif_agent.network_types.base import TypeDriver
from vif_agent.network_types.physical import Physical
from vif_agent.resources import Resource, Vlan
from vif_agent.vif import Vif

_VLANS = range(1, 4095)
_LONGEST = 15
_HASHED = 10, 6  # of a name too long: so many characters, the last ones a hash


@dataclasses.dataclass(frozen=True, slots=True)
class VlanDriver(TypeDriver):
    """The device's name is nova's where the sender asks as nova does, else Neutron's: whoever was
    there before us has named it so."""

    physical: Physical = dataclasses.field(default_factory=Physical)

    @classmethod
    def from_conf(cls, conf: Any) -> "VlanDriver":
        """See TypeDriver."""
        return cls(Physical.from_conf(conf))

    def segment(self, vif: Vif, bridge: str) -> Sequence[Resource]:
        """A VLAN device on the physical network's."""
        field, vid = _vlan(vif)
        if vid is None or vid not in _VLANS:
            raise InvalidRequest(f"vif.network.meta.{field}", vid, "a VLAN from 1 to 4094")
        parent = self.physical.device(vif)
        name = f"vlan{vid}" if vif.should_create_vlan else device_name(parent, vid)
        return (
            Vlan(
                name=name,
                shared=True,
                parent=parent,
                vid=vid,
                master=bridge,
                mtu=vif.mtu,
                disable_ipv6=True,
            ),
        )


def _vlan(vif: Vif) -> tuple[str, int | None]:
    if vif.segmentation_id is None or vif.should_create_vlan:
        return "vlan", vif.vlan
    return "segmentation_id", vif.segmentation_id


def names_of(parent: str, vid: int) -> set[str]:
    """What others call it: Neutron's macvtap agent cuts a parent of more than ten characters,
    however short the rest."""
    return {device_name(parent, vid), f"{_cut(parent)}.{vid}", f"{parent}.{vid}"}


def device_name(parent: str, vid: int) -> str:
    """``<parent>.<vid>``; a parent too long for that is cut, and told apart by a hash.

    Neutron's rule (get_subinterface_name; launchpad bug 1495960), and nova's for macvtap.
    """
    if len(name := f"{parent}.{vid}") <= _LONGEST:
        return name
    return f"{_cut(parent)}.{vid}"


def _cut(parent: str) -> str:
    length, digits = _HASHED
    hashed = hashlib.sha1(parent.encode(), usedforsecurity=False).hexdigest()
    return parent if len(parent) <= length else parent[: length - digits] + hashed[:digits]
