"""What ovs-vswitchd has done, and whether it is there: what it has written outlives it."""

import dataclasses
import time
from collections.abc import Collection, Mapping

from vif_agent.errors import OvsdbUnavailable
from vif_agent.host.ovs.client import Answer, Client
from vif_agent.host.ovs.schema import OpenVSwitch
from vif_agent.ownership import Found
from vif_agent.resources import OVS_PORT, Key
from vif_agent.tally import Durations

#: it holds this lock of the database while it is connected (vswitchd/bridge.c)
_LOCK = "ovs_vswitchd"


class Progress:
    """How far ovs-vswitchd has come with the ports that we have written: configuration numbers.

    ``lasted``: how long it took.
    """

    def __init__(self, lasted: Durations | None = None) -> None:
        self._lasted = lasted or Durations()
        self._awaited: dict[str, int] = {}
        self._written: dict[str, float] = {}  # when (time.monotonic)
        self._fresh: set[Key] = set()  # written, and not looked at since it has taken them in

    def awaited(self, name: str) -> int | None:
        """The number it must have reached to have taken this port in."""
        return self._awaited.get(name)

    def wrote(self, names: Collection[str], cfg: int) -> None:
        """The configuration's number says when ovs-vswitchd has seen these ports."""
        self._awaited |= dict.fromkeys(names, cfg)
        self._written |= dict.fromkeys(names, time.monotonic())
        self._fresh |= {Key(OVS_PORT, name) for name in names}

    def removed(self, names: Collection[str]) -> None:
        """Nobody waits for it to let go of these."""
        for name in names:
            self._awaited.pop(name, None)
            self._written.pop(name, None)
            self._fresh.discard(Key(OVS_PORT, name))

    def reached(self, root: OpenVSwitch) -> frozenset[Key]:
        """For these it has come as far as it should; or it never will, for the database has given
        no such number yet: it is another, or an older copy of what it was."""
        over = {n: c for n, c in self._awaited.items() if not root.cur_cfg < c <= root.next_cfg}
        now = time.monotonic()
        for name, number in over.items():
            del self._awaited[name]
            since = self._written.pop(name, now)
            if number <= root.cur_cfg:
                self._lasted.observe(now - since)
        self._fresh -= {Key(OVS_PORT, name) for name, c in over.items() if c > root.cur_cfg}
        return frozenset(Key(OVS_PORT, name) for name in over)

    def unproven(self, seen: Mapping[Key, Found], going: Collection[Key] = ()) -> set[Key]:
        """Of these the ofport says nothing unless it is there. Not those that it has just taken
        in, for the first look at them, nor those that are ``going``."""
        ready = {k for k, f in seen.items() if k.space == OVS_PORT and f.owner and f.ready}
        unproven = ready - self._fresh - set(going)
        # a look may see how far it has come before ``reached`` is asked
        self._fresh -= ready | {key for key in seen if key.name not in self._awaited}
        return unproven


def unattended(found: Found) -> Found:
    """The same, not ready, with the reason."""
    return dataclasses.replace(
        found, ready=False, unready="ovs-vswitchd, which gave it its ofport, is not there"
    )


def ask(client: Client) -> tuple[Answer, Answer]:
    """Whether somebody has its lock; and that it is given back, lest who asks next takes us for
    ovs-vswitchd. Both in one breath, so that it is kept waiting for no moment."""
    return client.request("lock", [_LOCK]), client.request("unlock", [_LOCK])


def is_there(answer: Answer) -> bool:
    """From the answer to a try to take its lock."""
    if answer.message is None:
        raise OvsdbUnavailable("ovsdb: the connection was lost amid a question")
    result = answer.message.result
    return not (isinstance(result, dict) and result.get("locked"))
