"""What Neutron's servers tell all agents at once. One that is lost is made up for: all that is told
here is asked for again now and then.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from vif_agent.bus import declared, joining
from vif_agent.private_names import oslo_servers as private

TUNNEL_UPDATE = "q-agent-notifier-tunnel-update"
TUNNEL_DELETE = "q-agent-notifier-tunnel-delete"
BINDING_ACTIVATE = "q-agent-notifier-port_binding-activate"


class _Listener(joining.Rejoins, private.CallListener):
    pass


class Fanouts(private.CastServer):
    """``hear`` gets method and arguments, whatever they are, on the thread that reads: it must wait
    for nobody, and raise nothing."""

    def __init__(
        self,
        messaging: Any,
        topics: Collection[str],
        hear: Callable[[str, Mapping[str, Any]], None],
    ) -> None:
        super().__init__(messaging)
        self._topics = topics
        self._hear = hear

    def listen(self) -> Any:
        """Blocks until the broker lets us in."""
        return joining.patiently(self._listener)

    def _listener(self) -> Any:
        listener = _Listener(self.transport, declared.connect(self.transport))
        for topic in self._topics:
            listener.hear_all(topic)
        return private.polled(listener, None)

    def came(self, message: Any) -> bool:
        """It is acknowledged already. Nothing is left to ``process``."""
        body = message.message
        if isinstance(body, Mapping):
            method, arguments = body.get("method"), body.get("args")
            if isinstance(method, str) and isinstance(arguments, Mapping):
                self._hear(method, arguments)
        return False
