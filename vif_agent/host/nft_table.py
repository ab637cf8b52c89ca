"""The kernel's table of guards, through the helper."""

import contextlib
import errno
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from vif_agent.helper import calls
from vif_agent.helper.codec import Plain
from vif_agent.helper.process import helper
from vif_agent.host.nft.events import NftEvents


class NftTable:
    """``permitted``: ethertypes that guests may send besides IP and ARP. ``routed``: are routed
    taps guarded?"""

    def __init__(self, permitted: Collection[int], routed: bool = False) -> None:
        self._permitted = [*permitted]
        self._routed = routed

    def lacks(self) -> str:
        """See Table."""
        with helper(call="read_guards"):
            missing: str = calls.probe_guards(self._routed)
        return missing

    def read(self) -> Mapping[str, Any]:
        """See Table."""
        with helper(call="read_guards"):
            read: Mapping[str, Any] = calls.read_guards(self._permitted)
        return read

    def restore(self) -> Mapping[str, Any]:
        """See Table."""
        with helper():
            read: Mapping[str, Any] = calls.restore_guards(self._permitted)
        return read

    def write(
        self, generation: int, put: Sequence[Plain], remove: Sequence[str]
    ) -> tuple[int, str]:
        """See Table."""
        with helper(len(put) + len(remove), "write_guards"):
            code, text = calls.write_guards(self._permitted, generation, put, remove)
        return code, text

    def drops(self) -> Mapping[str, int]:
        """See Table."""
        with _glance():
            drops: Mapping[str, int] = calls.read_drops()
        return drops

    def port_drops(self) -> Mapping[str, Mapping[str, int]]:
        """See Table."""
        with _glance():
            drops: Mapping[str, Mapping[str, int]] = calls.read_port_drops()
        return drops


@contextlib.contextmanager
def _glance() -> Iterator[None]:
    """For what nobody is to wait for: a port can be shown while the helper hangs."""
    if helper.stalls():
        raise BlockingIOError(errno.EAGAIN, "the privileged helper is busy")
    with helper(call="read_guards"):
        yield


class TableEvents:
    """``events``: of all that others do to the table; what the helper does is not told."""

    def __init__(self, events: NftEvents) -> None:
        self._events = events
        self.wait, self.take = events.wait, events.take
        self.end, self.close = events.end, events.close

    def listen(self) -> None:
        """The helper is forked by now."""
        self._events.listen(helper.pid)
