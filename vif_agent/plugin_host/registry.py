"""The installed plugins by the vif_types that they plug, and one way to ask them all; the firewall
driver that is asked beside them."""

import contextlib
import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from vif_agent.errors import NoPlugin, Unanswered, VifAgentError, brief
from vif_agent.firewall.guarded import is_ours
from vif_agent.firewall.noop import NoopDriver
from vif_agent.plugin_host.drivers import Drivers
from vif_agent.plugin_host.in_process import InProcessDriver, InProcessPlugin
from vif_agent.plugin_host.sub_process import SubProcess, SubProcessDriver, SubProcessPlugin
from vif_agent.plugins.base import Plugin
from vif_agent.resources import Resource
from vif_agent.tally import OTHER
from vif_agent.vif import Vif

LOG = logging.getLogger(__name__)

Installed: TypeAlias = InProcessPlugin | SubProcessPlugin


class PluginRegistry:
    """``plugins`` by their names; ``override``: vif_type to the name of its plugin. ``drivers``:
    the firewall's, else none guards."""

    def __init__(
        self,
        plugins: Mapping[str, Plugin | Installed],
        override: Mapping[str, str] | None = None,
        drivers: Drivers | None = None,
    ) -> None:
        self.installed: Mapping[str, Installed] = {
            name: InProcessPlugin(name, plugin) if isinstance(plugin, Plugin) else plugin
            for name, plugin in plugins.items()
        }
        self.override = dict(override or {})
        self.drivers = drivers or Drivers(InProcessDriver("noop", NoopDriver()))
        self._warned: set[str] = set()

    def resources(self, vif: Vif) -> Sequence[Resource]:
        """The plugin's answer, or a VifAgentError: a plugin can hurt no port but its own.

        Unanswered: it is in another process, and ``on_answer`` tells when it has answered.
        """
        plugin = self.of_type(vif.vif_type)
        if plugin is None:
            self._await_names(vif)
            raise NoPlugin(f"vif.type: {self._expected(vif.vif_type)}")
        return plugin.resources(vif)

    def of_type(self, vif_type: str) -> Installed | None:
        """A name that is another's alias warns, once."""
        return self.named(self.override.get(vif_type, vif_type))

    def named(self, name: str) -> Installed | None:
        """By its name or a former one; None if no package offers it."""
        plugin = self._named(name)
        if plugin and name not in self.installed and name in plugin.aliases:
            self._warn(name, plugin)
        return plugin

    def kind(self, vif_type: str) -> str:
        """Itself, if a plugin has it, by this name or a former one; else "other": whoever casts may
        make up any."""
        name = self.override.get(vif_type, vif_type)
        plugins = self.installed
        known = name in plugins or any(name in each.aliases for each in plugins.values())
        return vif_type if known else OTHER

    def why_not(self, vif_type: str) -> str:
        """Why ports of this type cannot be plugged; empty if they can."""
        plugin = self.of_type(vif_type)
        return self._expected(vif_type) if plugin is None else plugin.error

    def listed(self, needed: Iterable[str] = ()) -> list[dict[str, Any]]:
        """A line for each vif_type; also for those ``needed`` that nobody has."""
        names = {alias for plugin in self.installed.values() for alias in plugin.aliases}
        types = {*self.installed, *names, *self.override}
        lines = [self._line(vif_type) for vif_type in sorted(types)]
        missing = sorted({*needed} - types)
        return lines + [self._missing(vif_type) for vif_type in missing]

    def on_answer(self, tell: Callable[[Collection[str]], None]) -> None:
        """``tell`` is called with the ports whose answer has come, on a thread of the plugin's."""
        for each in self._sub_processes():
            each.on_answer(tell)

    def await_answers(self, vifs: Iterable[Vif], timeout: float) -> None:
        """For those who cannot be woken later; what is unanswered then stays so."""
        deadline = time.monotonic() + timeout
        for vif in vifs:
            plugin, driver = self.of_type(vif.vif_type), self.drivers.used
            if isinstance(plugin, SubProcessPlugin) and not plugin.await_answer(vif, deadline):
                continue  # it is not guarded either
            if isinstance(driver, SubProcessDriver) and self._is_guarded(vif):
                driver.await_answer(vif, deadline)

    def await_loaded(self, timeout: float) -> None:
        """Until all have loaded or cannot; at most ``timeout`` seconds in all."""
        deadline = time.monotonic() + timeout
        for each in self._sub_processes():
            each.await_loaded(deadline)

    def close(self) -> None:
        """Ends the processes of what is of other packages."""
        for each in self._sub_processes():
            each.close()

    def _sub_processes(self) -> list[SubProcess]:
        asked = (*self.installed.values(), self.drivers.used)
        return [each for each in asked if isinstance(each, SubProcess)]

    def _is_guarded(self, vif: Vif) -> bool:
        with contextlib.suppress(VifAgentError):
            return is_ours(vif, self.resources(vif), self.drivers.routed_taps)
        return False

    def _await_names(self, vif: Vif) -> None:
        """Unanswered while the type may be the former name of a plugin that has yet to load."""
        plugins = (p for p in self.installed.values() if isinstance(p, SubProcessPlugin))
        for plugin in plugins:
            if plugin.tells_when_loaded(vif.port_id):
                raise Unanswered(f"vif.type: plugin {plugin.name} has not loaded yet")

    def _named(self, name: str) -> Installed | None:
        """Of two that had this name once neither is taken, as of two that have one name."""
        if name in self.installed:
            return self.installed[name]
        claims = [plugin for plugin in self.installed.values() if name in plugin.aliases]
        if len(claims) < 2:
            return claims[0] if claims else None
        names = " and ".join(plugin.name for plugin in claims)
        packages = " and ".join(plugin.package for plugin in claims)
        return InProcessPlugin(
            name, None, packages, f"a former name of {names}: uninstall all but one"
        )

    def _expected(self, vif_type: str) -> str:
        known = ", ".join(sorted(name for name, p in self.installed.items() if not p.error))
        return f"expected one of {known}, got {brief(vif_type)}"

    def _warn(self, alias: str, plugin: Installed) -> None:
        if alias not in self._warned:
            self._warned.add(alias)
            LOG.warning(
                "Plugin %s (%s) was renamed: its former name %s is deprecated and goes in release "
                "%s of its package", plugin.name, plugin.package, alias, plugin.aliases[alias],
            )  # fmt: skip

    def _line(self, vif_type: str) -> dict[str, Any]:
        name = self.override.get(vif_type, vif_type)
        plugin = self._named(name)
        assert plugin
        return {
            "vif_type": vif_type,
            "plugin": plugin.name,
            "package": plugin.package,
            "contract": plugin.contract or None,
            "deprecated": plugin.aliases.get(name),
            "error": plugin.error or None,
        }

    def _missing(self, vif_type: str) -> dict[str, Any]:
        nobody = dict.fromkeys(("plugin", "package", "contract", "deprecated"))
        return {"vif_type": vif_type, **nobody, "error": "not installed, and ports need it"}
