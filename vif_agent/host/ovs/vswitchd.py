"""What ovs-vswitchd has done, and whether it is there: what it has written outlives it."""

import dataclasses
import errno
import os
import time
from collections.abc import Collection, Mapping

from ovs.jsonrpc import Connection, Message
from ovs.poller import Poller
from ovs.stream import Stream

from vif_agent.errors import OvsdbUnavailable
from vif_agent.host.ovs.schema import OpenVSwitch
from vif_agent.ownership import Found
from vif_agent.resources import OVS_PORT, Key

#: it holds this lock of the database while it is connected (vswitchd/bridge.c)
_LOCK = "ovs_vswitchd"


class Progress:
    """How far ovs-vswitchd has come with the ports that we have written: configuration numbers."""

    def __init__(self, connection: str, timeout: float) -> None:
        self._connection = connection
        self._timeout = timeout
        self._awaited: dict[str, int] = {}
        self._followed: set[Key] = set()

    def awaited(self, name: str) -> int | None:
        """The number it must have reached to have taken this port in."""
        return self._awaited.get(name)

    def wrote(self, names: Collection[str], cfg: int) -> None:
        self._awaited |= dict.fromkeys(names, cfg)

    def reached(self, root: OpenVSwitch) -> frozenset[Key]:
        """For these it has come as far as it should; or it never will, for the database has given
        no such number yet: it is another, or an older copy of what it was."""
        over = {n: c for n, c in self._awaited.items() if not root.cur_cfg < c <= root.next_cfg}
        for name in over:
            del self._awaited[name]
        self._followed |= {Key(OVS_PORT, name) for name, c in over.items() if c <= root.cur_cfg}
        return frozenset(Key(OVS_PORT, name) for name in over)

    def to_recheck(self, seen: Mapping[Key, Found], going: Collection[Key] = ()) -> set[Key]:
        """For these is to be asked whether it is there."""
        to_recheck = seen.keys() - self._followed - set(going)
        return {k for k in to_recheck if k.space == OVS_PORT and seen[k].owner and seen[k].ready}

    def believed(self, seen: Mapping[Key, Found], going: Collection[Key] = ()) -> dict[Key, Found]:
        """An ofport of ours says nothing when nobody is there who carries the port. Not asked for
        those for which something has just been done, nor for those that are ``going``."""
        ready = self.to_recheck(seen, going)
        self._followed -= seen.keys()
        if not ready or is_there(self._connection, self._timeout):
            return {**seen}
        gone = "ovs-vswitchd, which gave it its ofport, is not there"
        lost = {k: dataclasses.replace(seen[k], ready=False, unready=gone) for k in ready}
        return {**seen, **lost}


def is_there(connection: str, timeout: float) -> bool:
    """Whether somebody has its lock. Asked for and given back in one breath, so that it is kept
    waiting for no moment; and on a connection of its own, so that it holds up nobody else. Raises
    OvsdbUnavailable."""
    deadline = time.monotonic() + timeout
    error, stream = Stream.open_block(Stream.open(connection), int(timeout * 1000))
    if error:
        raise OvsdbUnavailable(f"ovsdb: {connection}: {os.strerror(error)}")
    rpc = Connection(stream)
    try:
        asked = Message.create_request("lock", [_LOCK])
        rpc.send(asked)
        rpc.send(Message.create_request("unlock", [_LOCK]))
        answer = _answer(rpc, asked, deadline)
    finally:
        rpc.close()
    return not (isinstance(answer.result, dict) and answer.result.get("locked"))


def _answer(rpc: Connection, asked: Message, deadline: float) -> Message:
    error = 0
    while error in (0, errno.EAGAIN) and time.monotonic() < deadline:
        rpc.run()
        error, message = rpc.recv()
        if message is not None and message.id == asked.id:
            return message
        if error == errno.EAGAIN:
            _wait(rpc, deadline)
    raise OvsdbUnavailable("ovsdb: no answer to the question for a lock")


def _wait(rpc: Connection, deadline: float) -> None:
    poller = Poller()
    poller.timer_wait(max(0, int((deadline - time.monotonic()) * 1000)) + 1)
    rpc.wait(poller)
    rpc.recv_wait(poller)
    poller.block()
