"""A plugin of the agent's own package, asked in the agent's own process."""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from vif_agent.contract import CONTRACT
from vif_agent.errors import NoPlugin, NotConfigured, PluginFailed, VifAgentError, brief
from vif_agent.plugin_host import instantiate
from vif_agent.plugin_host.discovery import Candidate
from vif_agent.plugins.answers import checked
from vif_agent.plugins.base import Plugin
from vif_agent.resources import Resource
from vif_agent.vif import Vif

LOG = logging.getLogger(__name__)


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
        try:
            return checked(self.plugin.resources(vif))
        except PluginFailed as error:
            if error.__cause__:  # a type driver's
                LOG.exception("Plugin %s failed on port %s", self.name, vif.port_id)
            raise PluginFailed(f"plugin {self.name} {error}") from error
        except VifAgentError:
            raise
        except Exception as error:
            LOG.exception("Plugin %s failed on port %s", self.name, vif.port_id)
            raise PluginFailed(f"plugin {self.name} raised {brief(error)}") from error


def load(candidate: Candidate, conf: Any) -> InProcessPlugin:
    """One that does not load is logged once, here, and answers with the reason from then on.

    NotConfigured goes on: a host must not silently lack a network type.
    """
    try:
        return InProcessPlugin(
            candidate.name, instantiate.plugin(candidate.entry_point, conf, True), candidate.package
        )
    except NotConfigured:
        raise
    except Exception as error:
        reason = instantiate.reason(error)
        LOG.error("Plugin %s cannot be used: %s", candidate, reason)
        return InProcessPlugin(candidate.name, None, candidate.package, reason)
