"""What the host has done and heard, counted for who watches over it."""

import dataclasses

from vif_agent.tally import SHORT, Durations, Tally


@dataclasses.dataclass(frozen=True, slots=True)
class Counted:
    """``phases``: seconds of reading, and of each phase of a plan. ``transactions``: seconds, by
    result; ``ofports``: from a port's row to Open vSwitch's word that it has taken it in.
    ``events``, and how often some were ``lost``: by who has told of them."""

    phases: Durations = dataclasses.field(default_factory=lambda: Durations(SHORT))
    transactions: Durations = dataclasses.field(default_factory=lambda: Durations(SHORT))
    ofports: Durations = dataclasses.field(default_factory=Durations)
    events: Tally = dataclasses.field(default_factory=Tally)
    lost: Tally = dataclasses.field(default_factory=Tally)
