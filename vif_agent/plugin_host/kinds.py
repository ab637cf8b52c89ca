"""What a package may offer, each by a group of entry points, and how it is asked of a VIF."""

import dataclasses
from collections.abc import Callable
from typing import Any

from vif_agent.contract import Extension
from vif_agent.firewall import answers as guards
from vif_agent.firewall import base as firewall
from vif_agent.plugins import answers, base
from vif_agent.resources import Resource
from vif_agent.vif import Vif


@dataclasses.dataclass(frozen=True)
class Kind:
    """``word``: what messages call one; ``thread``: the first part of its thread's name;
    ``option``: where the operator names one. ``ask``: its answer, as it is. ``checked``: that as
    resources; PluginFailed if it is no answer.
    """

    group: str
    base: type[Extension]
    word: str
    thread: str
    option: str
    ask: Callable[[Any, Vif], object]
    checked: Callable[[object, Vif], tuple[Resource, ...]]

    @property
    def title(self) -> str:
        """The word at the beginning of a sentence."""
        return self.word.capitalize()

    def answer(self, extension: Extension, vif: Vif) -> tuple[Resource, ...]:
        """What this one says of the VIF; PluginFailed, or what it raises."""
        return self.checked(self.ask(extension, vif), vif)


def _guards(driver: firewall.FirewallDriver, vif: Vif) -> object:
    guard = driver.guard(vif)
    return () if guard is None else (guard,)


PLUGIN = Kind(
    base.GROUP,
    base.Plugin,
    "plugin",
    "plugin",
    "[plugins] override",
    lambda plugin, vif: plugin.resources(vif),
    lambda answer, _: answers.checked(answer),
)
FIREWALL_DRIVER = Kind(
    firewall.GROUP,
    firewall.FirewallDriver,
    "firewall driver",
    "driver",
    "[firewall] driver",
    _guards,
    guards.checked,
)
KINDS = {kind.group: kind for kind in (PLUGIN, FIREWALL_DRIVER)}
