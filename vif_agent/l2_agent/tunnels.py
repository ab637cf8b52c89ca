"""The tunnel ends of all hosts, asked of Neutron, and what its servers tell all agents of them."""

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from vif_agent.bus.pauses import anywhere, spread
from vif_agent.l2_agent.errand import Errand
from vif_agent.l2_agent.fanouts import TUNNEL_DELETE, TUNNEL_UPDATE
from vif_agent.l2_agent.peers import Peers
from vif_agent.l2_agent.server import Server, address

LOG = logging.getLogger(__name__)

#: each time an agent asks, Neutron tells all of them of it: of N hosts that are N * N messages. So
#: of many each asks less often, and not all at once
_SYNC_SECONDS, _SYNC_SECONDS_EACH = 300.0, 3.0
_SOON_SECONDS_EACH = 0.3
_APART_SECONDS = 0.5


class Tunnels:
    """``own``: this host's end; ``changed`` is called when ``peers`` are others than before."""

    topics = (TUNNEL_UPDATE, TUNNEL_DELETE)

    def __init__(self, server: Server, peers: Peers, own: str, changed: Callable[[], None]) -> None:
        self._server = server
        self._peers = peers
        self._own = address(own)
        self._changed = changed
        self._heard = deque[tuple[str, str]](maxlen=10_000)
        self._due = 0.0
        self._errand = Errand(self._run, _say, apart=_APART_SECONDS, name="neutron-peers")

    def begin(self) -> None:
        """Once."""
        self._errand.begin()

    def end(self) -> None:
        """Peers stay."""
        self._errand.end()

    def sync(self) -> None:
        """Something may have been missed: soon. Waits for nobody."""
        soon = time.monotonic() + anywhere(_SOON_SECONDS_EACH * (self.count or 0))
        self._due = min(self._due, soon)
        self._errand.wake()

    @property
    def trouble(self) -> str:
        """Why they cannot be asked for now."""
        return self._errand.trouble

    @property
    def count(self) -> int | None:
        """Of the peers; None while none are known."""
        return None if self._peers.now is None else len(self._peers.now)

    @property
    def _period(self) -> float:
        return max(_SYNC_SECONDS, _SYNC_SECONDS_EACH * (self.count or 0))

    def hear(self, method: str, arguments: Mapping[str, Any]) -> None:
        """What Neutron tells all; what is not understood is nobody's loss, for we ask now and
        then."""
        if method not in ("tunnel_update", "tunnel_delete"):
            return
        try:
            peer = address(arguments.get("tunnel_ip"))
        except ValueError:
            return
        if arguments.get("tunnel_type") == "vxlan" and self._is_peer(peer):
            self._heard.append((method, peer))
            self._errand.wake()

    def _run(self) -> float:
        taken = [self._take(*self._heard.popleft()) for _ in range(len(self._heard))]
        if any(taken):
            self._changed()
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + spread(self._period)
            try:
                ends = self._server.tunnel_sync(self._own)
            except BaseException:
                self._due = 0.0
                raise
            if self._peers.take(set(filter(self._is_peer, ends))):
                self._changed()
        return max(0.0, self._due - time.monotonic())

    def _take(self, method: str, peer: str) -> bool:
        return self._peers.add(peer) if method == "tunnel_update" else self._peers.delete(peer)

    def _is_peer(self, end: str) -> bool:
        """One device has ends of one family."""
        return end != self._own and (":" in end) == (":" in self._own)


def _say(trouble: str) -> None:
    if trouble:
        LOG.warning("VXLAN peers stay as Neutron has named them last: %s", trouble)
    else:
        LOG.info("Neutron names VXLAN peers again")
