"""Things on a host that are not the agent's, and a witness of whatever is written to them."""

from __future__ import annotations

import contextlib
from typing import Self

from tests.support.others_tables import OthersTables
from tests.support.real_host import OTHER, TUN, ip, rows
from vif_agent.testing.frames import TapEnd
from vif_agent.testing.netlink_events import LOST
from vif_agent.testing.ovs import PrivateOvs
from vif_agent.testing.watch import WriteWatch

NIC, UPLINK = "eth7", "eth7far"
FOREIGN_BRIDGE, MEMBER, MEMBER_FAR = "br-foreign", "member0", "member0far"
STRANGER = "tapffffffff-ff"  # of a port that nobody asked for


class Bystanders:
    """Made so that they are silent: nothing of them changes unless somebody changes it.

    Of the port ``unlucky`` all names are taken: its tap is tagged for a port that no store knows,
    and held open by a guest; its ``qbr`` is a network card, its ``vhu`` another port's. Of the port
    ``half`` only ``qvo`` is: in br-int for another port, without an owner tag and with a QoS row of
    Neutron's.
    """

    def __init__(self, ovs: PrivateOvs, unlucky: str, half: str) -> None:
        self._ovs = ovs
        self.tap, self.qbr, self.qvo = f"tap{unlucky[:11]}", f"qbr{unlucky[:11]}", f"qvo{half[:11]}"
        self.vhu = f"vhu{unlucky[:11]}"
        self._cards = {NIC: UPLINK, MEMBER: MEMBER_FAR, self.qbr: "qbrfar", self.qvo: "qvofar"}
        self.links = {
            *(*self._cards, *self._cards.values()),
            *(FOREIGN_BRIDGE, "br-ex", STRANGER, self.tap),
        }
        self.seen = 0  # events of whomever
        self._stack = contextlib.ExitStack()

    def come(self) -> None:
        self._make_links()
        self._make_rows()
        rows_of_qos = {q["_uuid"][:8] for q in rows(self._ovs, "qos")}  # how the log names them
        self.names = {*self.links, self.vhu, *rows_of_qos}
        self.damaged = False
        self.tables = self._stack.enter_context(contextlib.closing(OthersTables()))
        self._stack.enter_context(TapEnd(self.tap, TUN))
        self._watch = self._stack.enter_context(WriteWatch(self._ovs))
        self._watch.settle(quiet=1.5, timeout=20)

    def go(self) -> None:
        """What they are made of stays."""
        self._stack.close()

    def __enter__(self) -> Self:
        self.come()
        return self

    def __exit__(self, *_: object) -> None:
        self.go()

    def touched(self) -> list[str]:
        """Every event since the last time that names one of them, or a table that is not ours."""
        events = self._watch.forget()
        self.seen += len(events)
        assert str(LOST) not in events
        found = [
            f"{event} ({self._watch.why(_subject(event))})"
            for event in events
            if _subject(event) in self.names
        ]
        found += self.tables.touched()
        self.damaged |= bool(found)
        return found

    def _make_links(self) -> None:
        for name, far in self._cards.items():
            ip("link", "add", name, "type", "veth", "peer", "name", far)
        # with an address of its own: else it takes the lowest of its members', whoever comes in
        made = ("address", "02:00:00:00:00:07", "type", "bridge", "forward_delay", "0")
        ip("link", "add", FOREIGN_BRIDGE, *made)
        ip("link", "set", MEMBER, "master", FOREIGN_BRIDGE)
        for tap in (STRANGER, self.tap):
            ip("tuntap", "add", "dev", tap, "mode", "tap")
        ip("link", "set", self.tap, "alias", f"vif-agent {OTHER}")
        for name in self.links - {"br-ex"}:
            ip("link", "set", name, "addrgenmode", "none", "up")

    def _make_rows(self) -> None:
        self._ovs.add_bridge("br-ex")
        self._ovs.vsctl("add-port", "br-ex", UPLINK)
        self._ovs.vsctl(
            *("--no-wait", "add-port", "br-int", self.vhu, "--", "set", "interface", self.vhu),
            *("type=dpdkvhostuser", f"external_ids:iface-id={OTHER}"),
        )
        self._ovs.vsctl(
            *("add-port", "br-int", self.qvo, "tag=9"),
            *("--", "set", "interface", self.qvo, f"external_ids:iface-id={OTHER}"),
            *("--", "set", "port", self.qvo, "qos=@q"),
            *("--", "--id=@q", "create", "qos", "type=linux-htb", "external_ids:id=neutron"),
        )


def _subject(event: str) -> str:
    """They are "RTM_NEWLINK name", "OVSDB update Table name: {...}", "OVSDB delete Table name"."""
    words = event.split()
    return (words[3] if words[0] == "OVSDB" else words[1]).rstrip(":")
