"""The type drivers that the configuration names, and which of them a VIF needs."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import stevedore

from vif_agent.errors import NoPlugin, NotConfigured, brief
from vif_agent.resources import Resource
from vif_agent.segments.base import GROUP, TypeDriver
from vif_agent.segments.flat import FlatDriver
from vif_agent.segments.local import LocalDriver
from vif_agent.segments.vlan import VlanDriver
from vif_agent.segments.vxlan import VxlanDriver
from vif_agent.vif import Vif


def _own() -> Mapping[str, TypeDriver]:
    return {
        "local": LocalDriver(),
        "flat": FlatDriver(),
        "vlan": VlanDriver(),
        "vxlan": VxlanDriver(),
    }


@dataclasses.dataclass(frozen=True)
class Segments:
    """Called with a VIF and its linux bridge: what ties the one to the other's network."""

    drivers: Mapping[str, TypeDriver] = dataclasses.field(default_factory=_own)

    def __call__(self, vif: Vif, bridge: str) -> Sequence[Resource]:
        """Raises a VifAgentError: InvalidRequest, NoPlugin, NotConfigured."""
        kind = network_type(vif)
        if kind not in self.drivers:
            known = ", ".join(sorted(self.drivers))
            raise NoPlugin(f"vif.network.meta.network_type: expected {known}, got {brief(kind)}")
        return self.drivers[kind].segment(vif, bridge)


def network_type(vif: Vif) -> str:
    """What the sender says; nova says it only by what it asks to be made."""
    if vif.should_create_vlan:
        return "vlan"
    return vif.network_type or ("flat" if vif.bridge_interface else "local")


def load(conf: Any) -> Segments:
    """Raises NotConfigured if a driver that is named does not load: the agent must not start."""
    broken: dict[str, BaseException] = {}

    def failed(_manager: Any, entry_point: Any, error: BaseException) -> None:
        broken[entry_point.name] = error

    names = conf.network.type_drivers
    manager = stevedore.NamedExtensionManager(
        GROUP,
        names,
        on_load_failure_callback=failed,
        on_missing_entrypoints_callback=lambda _names: None,
    )
    return Segments({name: _made(manager, name, broken.get(name), conf) for name in names})


def _made(manager: Any, name: str, error: BaseException | None, conf: Any) -> TypeDriver:
    option = f"[network] type_drivers: {name}"
    if error:
        raise NotConfigured(f"{option} does not load: {brief(error)}")
    if name not in manager:
        known = ", ".join(sorted(manager.entry_points_names())) or "none"
        raise NotConfigured(f"{option} is not installed; there are {known}")
    driver: TypeDriver = manager[name].plugin.from_conf(conf)
    return driver
