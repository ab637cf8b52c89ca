"""Many ports at once: few writes, and errors stay with their port."""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from tests.support.real_host import Ports, Vif, links, new_vif
from vif_agent.ports.port import ERROR, READY, UNPLUGGED
from vif_agent.ports.store import Store
from vif_agent.testing.ovs import PrivateOvs
from vif_agent.testing.ovsdb_log import OvsdbLog

Load = Callable[[str], Vif]


@contextlib.contextmanager
def netlink_sends(function: str) -> Iterator[list[str]]:
    """The sends on netlink sockets below this function of the helper."""
    seen: list[str] = []

    def watch(frame: FrameType, event: str, arg: Any) -> None:
        if event != "c_call" or arg.__name__ != "send":
            return
        on = getattr(arg, "__self__", None)
        if isinstance(on, socket.socket) and on.family == socket.AF_NETLINK:
            callers = _callers(frame)
            seen.extend(name for name in callers if name == function)

    sys.setprofile(watch)
    try:
        yield seen
    finally:
        sys.setprofile(None)


def _callers(frame: FrameType | None) -> list[str]:
    names = []
    while frame:
        if frame.f_globals.get("__name__") == "vif_agent.helper.calls":
            names.append(frame.f_code.co_name)
        frame = frame.f_back
    return names


def test_burst_of_50_ports_is_one_reconcile_of_few_writes(
    ports: Ports, store: Store, payload: Load, ovs: PrivateOvs
) -> None:
    """One send makes, one raises; one transaction wires all; the second look finds nothing."""
    vifs = [new_vif(payload("ovs_hybrid"), n) for n in range(50)]
    log = OvsdbLog(ovs.database)
    with netlink_sends("create") as sends:
        told = ports.plug(*vifs)
    assert [port.state for port in told] == [READY] * 50
    assert sends == ["create", "create"]
    assert len(transactions(log)) == 1
    with netlink_sends("delete") as sends:
        told = ports.unplug(*vifs)
    assert [port.state for port in told] == [UNPLUGGED] * 50
    assert sends == ["delete"]  # the helper knows by the index what it has made itself
    assert len(transactions(log)) == 1
    log.close()


def transactions(log: OvsdbLog) -> list[str]:
    """Each transaction of ours adds one to next_cfg."""
    return [event for event in log.read() if "next_cfg" in event]


def test_bad_port_in_a_burst_harms_no_other(ports: Ports, payload: Load) -> None:
    vifs = [new_vif(payload("bridge"), n) for n in range(5)]
    meta = {**vifs[2]["network"]["meta"], "mtu": 65535}  # a tap takes at most 65521
    network = {**vifs[2]["network"], "meta": meta, "id": vifs[2]["id"], "bridge": None}
    vifs[2] = {**vifs[2], "network": network}
    told = ports.plug(*vifs)
    assert [port.state for port in told] == [READY, READY, ERROR, READY, READY]
    ports.unplug(*vifs)
    assert not [name for name in links() if name.startswith(("tap", "brq"))]
