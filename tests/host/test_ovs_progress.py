"""Whether an ofport says that ovs-vswitchd is there."""

from vif_agent.host.ovs.schema import OpenVSwitch
from vif_agent.host.ovs.vswitchd import Progress
from vif_agent.ownership import Found
from vif_agent.resources import OvsPort

PORT = OvsPort(name="tap1", bridge="br-int")
SEEN = {PORT.key: Found(PORT, owner="a port", ready=True)}
WAITING = {PORT.key: Found(PORT, owner="a port", ready=False)}
REACHED = OpenVSwitch(uuid="root", next_cfg=7, cur_cfg=7)


def test_what_it_has_just_taken_in_is_believed_once() -> None:
    progress = Progress()
    progress.wrote(["tap1"], 7)
    assert progress.reached(REACHED) == {PORT.key}
    assert not progress.unproven(SEEN)
    assert progress.unproven(SEEN) == {PORT.key}


def test_seen_before_it_is_told_of_it_is_believed_once() -> None:
    """Whoever looks may take in the answer before the thread that tells of it; and may be an
    operator's question, so that who waits for the port is told all the same."""
    progress = Progress()
    progress.wrote(["tap1"], 7)
    assert not progress.unproven(SEEN)
    assert progress.reached(REACHED) == {PORT.key}
    assert progress.unproven(SEEN) == {PORT.key}


def test_what_it_has_not_yet_taken_in_is_believed_when_it_has() -> None:
    progress = Progress()
    progress.wrote(["tap1"], 7)
    assert not progress.unproven(WAITING)
    assert progress.reached(REACHED) == {PORT.key}
    assert not progress.unproven(SEEN)


def test_of_another_database_nothing_is_believed() -> None:
    """Its numbers have begun anew."""
    progress = Progress()
    progress.wrote(["tap1"], 8)
    assert progress.reached(REACHED) == {PORT.key}
    assert progress.unproven(SEEN) == {PORT.key}
