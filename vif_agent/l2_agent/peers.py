"""The tunnel ends of other hosts, as Neutron has told them last.

They are kept over a restart: an agent that starts while Neutron is away must not cut its guests off
from other hosts.
"""

import json
import logging
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from vif_agent.l2_agent.server import address
from vif_agent.network_types.peered import Peered, Plugins

LOG = logging.getLogger(__name__)

_FILE = "vxlan_peers.json"
_MOST = 10_000  # as the privileged helper takes them


class Peers:
    """``now``: read on any thread; None while nothing is known. Written by one thread.

    Whom Neutron does not name any longer goes when it has not named him twice: after it has lost
    its database, hosts come back one by one. ``delete`` is its word that he has gone.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._missed: frozenset[str] = frozenset()
        self.now = self._read()

    @classmethod
    def of(cls, conf: Any) -> "Peers | None":
        """If the operator wants them to be Neutron's; ``conf`` is oslo.config's."""
        if not (conf.neutron.enabled and conf.neutron.vxlan_peers):
            return None
        return cls(Path(conf.state_path) / _FILE)

    def take(self, named: Collection[str]) -> bool:
        """All that Neutron knows, but this host's. Are they others than before?"""
        missing = frozenset(self.now or ()) - frozenset(named)
        staying = missing - self._missed
        self._missed = missing
        return self._keep({*named, *staying})

    def add(self, peer: str) -> bool:
        """Neutron tells all agents of a new one."""
        return self._keep({*(self.now or ()), peer})

    def delete(self, peer: str) -> bool:
        """Neutron tells all agents that he has gone."""
        return self.now is not None and self._keep({*self.now} - {peer})

    def _keep(self, peers: Collection[str]) -> bool:
        kept = tuple(sorted(peers)[:_MOST])
        if kept == self.now:
            return False
        self.now = kept
        self._write()
        return True

    def _write(self) -> None:
        """What cannot be written is in force all the same; the next change writes all."""
        new = self._path.with_suffix(".new")
        try:
            with new.open("w") as file:
                json.dump({"peers": self.now}, file)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._path)
        except OSError as error:
            why: object = error
        else:
            return
        LOG.error("VXLAN peers cannot be kept for the next start: %s", why)

    def _read(self) -> tuple[str, ...] | None:
        try:
            peers = json.loads(self._path.read_bytes())["peers"]
            return tuple(sorted({address(peer) for peer in peers}))
        except FileNotFoundError:
            return None
        except (OSError, LookupError, TypeError, ValueError, RecursionError) as error:
            why: object = error
        LOG.error("VXLAN peers of before cannot be read: %s: %s", self._path, why)
        return None


def peered(plugins: Plugins, conf: Any, peers: Peers | None) -> Plugins:
    """The plugins, with these peers for this host's tunnels."""
    if peers is None:
        return plugins
    return Peered(plugins, address(str(conf.network.vxlan_local_ip)), lambda: peers.now)
