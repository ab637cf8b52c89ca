"""What became of requests, counted for who watches over the agent."""

from collections.abc import Callable

from vif_agent.ports.port import Port
from vif_agent.tally import Durations, Tally


class Operations:
    """``kind``: of a vif_type, for a label. ``results``: by verb, kind and "ok" or a code;
    ``lasted``: seconds of those that went well, by verb and kind."""

    def __init__(self, kind: Callable[[str], str]) -> None:
        self._kind = kind
        self.results = Tally()
        self.lasted = Durations()

    def finished(self, port: Port) -> None:
        """One that is reported."""
        verb, kind = "repair" if port.repaired else port.verb, self._kind(port.vif_type)
        self.results.add(verb, kind, port.problem.code if port.problem else "ok")
        if port.problem is None and port.elapsed_ms is not None:
            self.lasted.observe(port.elapsed_ms / 1000, verb, kind)
