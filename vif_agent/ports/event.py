"""What happens to a port, as its history keeps it: values."""

from typing import NamedTuple

#: a request was stored; one was not
WISHED, REFUSED = "wished", "refused"
#: steps that were carried out, and those that took back what they had made
DID, UNDID = "did", "undid"
#: a thing of the port that others had made was taken over
ADOPTED = "adopted"
#: others have changed what was as it was asked for
DRIFT = "drift"
#: how it ended, and when it is tried again
READY, REPAIRED, UNPLUGGED = "ready", "repaired", "unplugged"
FAILED, RETRY = "failed", "retry"


class Event(NamedTuple):
    """``at``: seconds since 1970, as all times for people."""

    port_id: str
    at: float
    what: str
    text: str
