"""What is of the agent's own package, asked in the agent's own process."""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

from vif_agent.contract import CONTRACT, Extension
from vif_agent.errors import NoPlugin, NotConfigured, PluginFailed, VifAgentError, brief
from vif_agent.firewall.base import FirewallDriver
from vif_agent.log_fields import about
from vif_agent.plugin_host import instantiate
from vif_agent.plugin_host.discovery import Candidate
from vif_agent.plugin_host.kinds import FIREWALL_DRIVER, PLUGIN, Kind
from vif_agent.plugins.base import Plugin
from vif_agent.resources import Guard, Resource
from vif_agent.vif import Vif

LOG = logging.getLogger(__name__)

_FAILED = "%s %s failed on port %s"


@dataclasses.dataclass(frozen=True)
class InProcessPlugin:
    """``error``: why it cannot be asked; there is no ``plugin`` then."""

    name: str
    plugin: Plugin | None
    package: str = ""
    error: str = ""

    @property
    def contract(self) -> str:
        """The version it is written for; empty if it has not loaded."""
        return (self.plugin.contract or CONTRACT) if self.plugin else ""

    @property
    def aliases(self) -> Mapping[str, str]:
        """Former names of its vif_type, and the release since which each is one."""
        return self.plugin.aliases if self.plugin else {}

    def resources(self, vif: Vif) -> Sequence[Resource]:
        """The plugin's answer, or a VifAgentError."""
        if self.plugin is None:
            raise NoPlugin(f"plugin {self.name} cannot be used: {self.error}")
        return _asked(PLUGIN, self.name, self.plugin, vif)


@dataclasses.dataclass(frozen=True)
class InProcessDriver:
    """A firewall driver; one that does not load keeps the agent from starting."""

    name: str
    driver: FirewallDriver
    package: str = ""
    error: ClassVar[str] = ""

    @property
    def contract(self) -> str:
        """As ``InProcessPlugin``."""
        return self.driver.contract or CONTRACT

    @property
    def guards(self) -> bool:
        """May it answer any guard?"""
        return self.driver.guards

    def guard(self, vif: Vif) -> Guard | None:
        """The driver's answer, or a VifAgentError."""
        answer = _asked(FIREWALL_DRIVER, self.name, self.driver, vif)
        return cast("Guard", answer[0]) if answer else None


def _asked(kind: Kind, name: str, extension: Extension, vif: Vif) -> Sequence[Resource]:
    try:
        return kind.answer(extension, vif)
    except PluginFailed as error:
        if error.__cause__:  # a type driver's
            LOG.exception(_FAILED, kind.title, name, vif.port_id, extra=about(vif.port_id))
        raise PluginFailed(f"{kind.word} {name} {error}") from error
    except VifAgentError:
        raise
    except Exception as error:
        LOG.exception(_FAILED, kind.title, name, vif.port_id, extra=about(vif.port_id))
        raise PluginFailed(f"{kind.word} {name} raised {brief(error)}") from error


def load(candidate: Candidate, conf: Any) -> InProcessPlugin:
    """One that does not load is logged once, here, and answers with the reason from then on.

    NotConfigured goes on: a host must not silently lack a network type.
    """
    try:
        made = instantiate.extension(PLUGIN, candidate.entry_point, conf, True)
        return InProcessPlugin(candidate.name, cast("Plugin", made), candidate.package)
    except NotConfigured:
        raise
    except Exception as error:
        reason = instantiate.reason(error)
        LOG.error("Plugin %s cannot be used: %s", candidate, reason)
        return InProcessPlugin(candidate.name, None, candidate.package, reason)
