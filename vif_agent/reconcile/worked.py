"""What the loop has done, counted for who watches over it."""

from vif_agent.reconcile.outcome import Outcome
from vif_agent.tally import Durations, Tally

_PORTS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


class Worked:
    """``lasted``: reconciles, of "ports" or of the whole "host"; ``ports``: how many were in one.

    ``drift``: by kind, things that others had changed; ``retries``: by code, ports that failed and
    are tried again.
    """

    def __init__(self) -> None:
        self.lasted = Durations()
        self.ports = Durations(_PORTS)
        self.drift = Tally()
        self.retries = Tally()

    def note(self, ports: int, everywhere: bool, seconds: float, outcome: Outcome) -> None:
        """One reconcile."""
        self.lasted.observe(seconds, "host" if everywhere else "ports")
        self.ports.observe(ports)
        for kind, count in outcome.drift.items():
            self.drift.add(kind, by=count)
