"""The os-vif plugin: what os-vif is asked to plug is cast to this host's agent.

Its entry point is ``vif_agent``, a name that no sender uses. Loading it takes over the names that
senders do use, as ``[vif_agent_nova] take_over`` says.
"""

from typing import Any, Self

from os_vif import objects, plugin
from oslo_config import cfg
from oslo_log import log

from vif_agent.nova import options, payload
from vif_agent.nova.sender import Sender
from vif_agent.nova.take_over import take_over
from vif_agent.private_names import os_vif as private

LOG = log.getLogger(__name__)

NAME = "vif_agent"

#: the newest versions whose every field is carried to the agent; all older ones are too
_VERSIONS = {
    "VIFVHostUser": "1.1",
    "VIFPortProfileOpenVSwitch": "1.4",
    "VIFPortProfileOVSRepresentor": "1.4",
    "VIFPortProfileFPOpenVSwitch": "1.4",
}
_PROFILES_VERSION = "1.1"
_SENDER = Sender(cfg.CONF)


class VifAgentPlugin(plugin.PluginBase):  # type: ignore[misc]  # os-vif ships no types
    """As os-vif's own plugins; ``name`` is the one that it stands for."""

    def __init__(self, name: str) -> None:
        super().__init__(cfg.CONF[options.GROUP])
        self._name = name

    @classmethod
    def load(cls, plugin_name: str) -> Self:
        """os-vif calls it for our own name, and for each name taken over that it loads later."""
        if plugin_name == NAME:
            options.register(cfg.CONF)
            _announce(take_over(private.plugins(), _names(), cls, cls))
        return cls(plugin_name)

    def plug(self, vif: Any, instance_info: Any) -> None:
        """Returns when the port is ready; raises what os-vif tells nova as a failed plug."""
        _SENDER.plug(payload.instance(instance_info), payload.vif(vif))

    def unplug(self, vif: Any, instance_info: Any) -> None:
        """Returns when nothing of the port is left."""
        _SENDER.unplug(payload.instance(instance_info), payload.vif(vif))

    def describe(self) -> Any:
        """What is carried to the agent. Whether it has a plugin for it, only the agent knows."""
        forms = payload.FORMS.get(self._name, {})
        return objects.host_info.HostPluginInfo(
            plugin_name=self._name, vif_info=[_vif_info(*item) for item in forms.items()]
        )


def _names() -> list[str]:
    return list(dict.fromkeys(cfg.CONF[options.GROUP].take_over))


def _announce(taken: dict[str, str]) -> None:
    LOG.info(
        "vif-agent takes the place of these os-vif plugins: %s. Agent: %s, wait: %s s",
        ", ".join(f"{name} ({had})" for name, had in taken.items()) or "none",
        cfg.CONF.host,
        cfg.CONF[options.GROUP].wait,
    )


def _vif_info(name: str, form: payload.Form) -> Any:
    return objects.host_info.HostVIFInfo(
        vif_object_name=name,
        min_version="1.0",
        max_version=_VERSIONS.get(name, "1.0"),
        supported_port_profiles=[_profile_info(profile) for profile in form.profiles],
    )


def _profile_info(name: str) -> Any:
    return objects.host_info.HostPortProfileInfo(
        profile_object_name=name,
        min_version="1.0",
        max_version=_VERSIONS.get(name, _PROFILES_VERSION),
    )
