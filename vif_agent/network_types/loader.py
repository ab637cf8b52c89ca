"""The type drivers that the configuration names, and which of them a VIF needs."""

import dataclasses
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from vif_agent.contract import NoGood, make
from vif_agent.errors import NoPlugin, NotConfigured, PluginFailed, VifAgentError, brief
from vif_agent.network_types.base import GROUP, TypeDriver
from vif_agent.network_types.flat import FlatDriver
from vif_agent.network_types.local import LocalDriver
from vif_agent.network_types.vlan import VlanDriver
from vif_agent.network_types.vxlan import VxlanDriver
from vif_agent.resources import Resource
from vif_agent.vif import Vif


def _own() -> Mapping[str, TypeDriver]:
    return {
        "local": LocalDriver(),
        "flat": FlatDriver(),
        "vlan": VlanDriver(),
        "vxlan": VxlanDriver(),
    }


@dataclasses.dataclass(frozen=True)
class NetworkTypes:
    """Called with a VIF and its linux bridge: what ties the one to the other's network.

    ``bridges``: by physical network, those that the operator has made and tied to it.
    """

    drivers: Mapping[str, TypeDriver] = dataclasses.field(default_factory=_own)
    bridges: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __call__(self, vif: Vif, bridge: str) -> Sequence[Resource]:
        """Raises a VifAgentError: InvalidRequest, NoPlugin, NotConfigured; PluginFailed for what
        the driver should not have raised."""
        kind = network_type(vif)
        if kind not in self.drivers:
            known = ", ".join(sorted(self.drivers))
            raise NoPlugin(f"vif.network.meta.network_type: expected {known}, got {brief(kind)}")
        try:
            return tuple(self.drivers[kind].segment(vif, bridge))
        except VifAgentError:
            raise
        except (Exception, SystemExit) as error:
            raise PluginFailed(f"met type driver {kind}, which raised {brief(error)}") from error

    def operators(self, vif: Vif) -> str | None:
        """The operator's bridge that is the VIF's network: what is untagged there."""
        if network_type(vif) != "flat" or "flat" not in self.drivers or vif.bridge_interface:
            return None
        return self.bridges.get(vif.physical_network or "")


def network_type(vif: Vif) -> str:
    """What the sender says; nova says it only by what it asks to be made."""
    if vif.should_create_vlan:
        return "vlan"
    return vif.network_type or ("flat" if vif.bridge_interface else "local")


def load(conf: Any) -> NetworkTypes:
    """Raises NotConfigured if a driver that is named cannot be used: the agent must not start."""
    offered = {entry.name: entry for entry in entry_points(group=GROUP)}
    drivers = {name: made(offered, name, conf) for name in conf.network.type_drivers}
    return NetworkTypes(drivers, dict(conf.network.bridge_mappings))


def made(offered: Mapping[str, EntryPoint], name: str, conf: Any) -> TypeDriver:
    """The driver of this name; NotConfigured says what is wrong with it."""
    option = f"[network] type_drivers: {name}"
    if name not in offered:
        known = ", ".join(sorted(offered)) or "none"
        raise NotConfigured(f"{option} is not installed; there are {known}")
    try:
        kind, value = offered[name].load(), offered[name].value
        own = value.startswith(f"{__package__}.")
        return make(kind, value, conf, own, TypeDriver)  # type: ignore[type-abstract]
    except NotConfigured:
        raise
    except NoGood as error:
        raise NotConfigured(f"{option}: {error}") from error
    except (Exception, SystemExit) as error:
        raise NotConfigured(f"{option} does not load: {brief(error)}") from error
