"""What the questions are about: read once, when it is first asked for."""

import contextlib
import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vif_agent import vif as vifs
from vif_agent.cmd.status.account import Account
from vif_agent.cmd.status.stored import Stored
from vif_agent.errors import VifAgentError
from vif_agent.plugin_host import loader
from vif_agent.plugin_host.registry import PluginRegistry
from vif_agent.ports.port import PLUG, Port
from vif_agent.resources import Resource

_SECONDS = 10.0  # for answers of other packages' plugins


class Subject:
    """``conf`` is oslo.config's global CONF: oslo.messaging reads some options nowhere else."""

    def __init__(self, conf: Any) -> None:
        self.conf = conf

    @functools.cached_property
    def account(self) -> Account:
        """That the agent runs as."""
        return Account.of(Path(self.conf.state_path))

    @functools.cached_property
    def stored(self) -> Stored:
        """What is in the agent's store; StoreUnusable, StoreUnavailable."""
        return Stored.of(self.conf)

    @functools.cached_property
    def plugins(self) -> PluginRegistry:
        """VifAgentError, where the agent would not start for one."""
        return loader.load(self.conf)

    @property
    def plugged(self) -> Sequence[Port]:
        """Those that the agent is to have when it starts; none where the store cannot be read."""
        try:
            return [port for port in self.stored.live if port.verb == PLUG]
        except VifAgentError:
            return ()

    @functools.cached_property
    def wanted(self) -> Mapping[str, Sequence[Resource]]:
        """By port, what its plugin says that it is to have; without those who say nothing."""
        parsed = dict(self._parsed())
        with contextlib.suppress(VifAgentError):
            self.plugins.await_answers(parsed.values(), _SECONDS)
        return {port_id: self._asked(vif) for port_id, vif in parsed.items()}

    def close(self) -> None:
        """Ends what was begun for it."""
        if "plugins" in vars(self):
            self.plugins.close()

    def _parsed(self) -> Iterator[tuple[str, vifs.Vif]]:
        for port in self.plugged:
            with contextlib.suppress(VifAgentError):  # it was taken in, by another release
                spec = port.spec
                yield port.port_id, vifs.parse(json.loads(spec.instance), json.loads(spec.vif))

    def _asked(self, vif: vifs.Vif) -> Sequence[Resource]:
        try:
            return self.plugins.resources(vif)
        except VifAgentError:
            return ()
