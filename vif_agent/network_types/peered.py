"""Tunnels whose peers are said by others than the configuration, and change."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Protocol

from vif_agent.resources import Resource, Vxlan
from vif_agent.vif import Vif


class Plugins(Protocol):
    """Who says all but the peers."""

    def resources(self, vif: Vif) -> Sequence[Resource]:
        """What the port is to have, or a VifAgentError."""


class Peered:
    """``local``: this host's end of the tunnels that are meant. ``peers``: of now; None while they
    have never been told: then tunnels that are there stay as they are."""

    def __init__(
        self, plugins: Plugins, local: str, peers: Callable[[], tuple[str, ...] | None]
    ) -> None:
        self._plugins = plugins
        self._local = local
        self._peers = peers

    def resources(self, vif: Vif) -> Sequence[Resource]:
        """What the port is to have, or a VifAgentError."""
        resources = self._plugins.resources(vif)
        if not any(map(self._is_meant, resources)):
            return resources
        peers = self._peers()
        return tuple(self._with(peers, resource) for resource in resources)

    def _with(self, peers: tuple[str, ...] | None, resource: Resource) -> Resource:
        if not (isinstance(resource, Vxlan) and self._is_meant(resource)):
            return resource
        return dataclasses.replace(resource, peers=peers, group=None if peers is None else "")

    def _is_meant(self, resource: Resource) -> bool:
        return isinstance(resource, Vxlan) and resource.local == self._local
