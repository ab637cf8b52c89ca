"""Network type ``flat``: the physical network's NIC itself is in the bridge."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from vif_agent.network_types.base import TypeDriver
from vif_agent.network_types.physical import Physical
from vif_agent.resources import Nic, Resource
from vif_agent.vif import Vif


@dataclasses.dataclass(frozen=True, slots=True)
class FlatDriver(TypeDriver):
    """The physical network's device, in the bridge itself."""

    physical: Physical = dataclasses.field(default_factory=Physical)

    @classmethod
    def from_conf(cls, conf: Any) -> "FlatDriver":
        """See TypeDriver."""
        return cls(Physical.from_conf(conf))

    def segment(self, vif: Vif, bridge: str) -> Sequence[Resource]:
        """See TypeDriver."""
        nic = self.physical.device(vif)
        return (Nic(name=nic, shared=True, master=bridge, addressed=bridge, other_mac=False),)
