"""Which of the host's devices leads to a physical network."""

import dataclasses
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from vif_agent.errors import InvalidRequest, NotConfigured
from vif_agent.vif import Vif

_OPTION = "[network] physical_interface_mappings"


@dataclasses.dataclass(frozen=True, slots=True)
class Physical:
    """``interfaces``: devices by physical network, as in Neutron's option of this name.

    ``nameable``: patterns of those that a VIF may name besides: one cast must not take whatever
    device of the host it likes.
    """

    interfaces: Mapping[str, str] = dataclasses.field(default_factory=dict)
    nameable: Sequence[str] = ()

    @classmethod
    def from_conf(cls, conf: Any) -> "Physical":
        """NotConfigured where two networks have one device."""
        interfaces: dict[str, str] = conf.network.physical_interface_mappings
        for network, device in interfaces.items():
            others = [n for n, d in interfaces.items() if d == device and n != network]
            if others:
                raise NotConfigured(f"{_OPTION}: {device} is given for {network} and {others[0]}")
        return cls(dict(interfaces), tuple(conf.network.interfaces))

    def device(self, vif: Vif) -> str:
        """The VIF's own word comes first: nova says the device itself."""
        if vif.bridge_interface:
            return self.named("vif.network.meta.bridge_interface", vif.bridge_interface)
        if not vif.physical_network:
            raise InvalidRequest(
                "vif.network.meta.bridge_interface",
                vif.bridge_interface,
                "the device that leads to the network, or a physical_network",
            )
        if vif.physical_network not in self.interfaces:
            raise NotConfigured(f"{_OPTION} names no device for {vif.physical_network}")
        return self.interfaces[vif.physical_network]

    def named(self, field: str, device: str) -> str:
        """The device that the VIF names itself, if it may."""
        known = device in self.interfaces.values()
        if known or any(fnmatchcase(device, pattern) for pattern in self.nameable):
            return device
        raise NotConfigured(
            f"{field}: {device} is neither in {_OPTION} nor in [network] interfaces, "
            "the devices of this host that a cast may name"
        )
