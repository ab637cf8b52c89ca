"""Links are made and changed: all but taps in one send, then each tap, sysctls, and "up" in another
send; NICs go into bridges last, when these are up.

Two sends, not one: the sysctls have no netlink form and must stand before a device comes up, else
it answers ARP and takes an IPv6 address for a moment (Neutron fc8ebae035). And a tap that comes up
while we have it open has a carrier, which it loses again when we close it: more for the kernel to
do and to tell.
"""

import errno
import os
import socket
from collections.abc import Iterable, Sequence

from vif_agent.helper import ipv6, obstacles, renames, sysctls, taps
from vif_agent.helper.allowed import allowed
from vif_agent.helper.delete import delete_indexes
from vif_agent.helper.known import KNOWN
from vif_agent.helper.looked import Looks
from vif_agent.helper.messages import (
    chosen_indexes,
    creation,
    index_of,
    raise_link,
    settings,
    tap_settings,
)
from vif_agent.helper.orders import (
    ChangeLink,
    CreateLink,
    CreateTap,
    CreateVxlan,
    Failures,
    LinkOrder,
    MoveNic,
)
from vif_agent.helper.policy import Policy, links_to_see
from vif_agent.host.netlink import addresses, vxlan
from vif_agent.host.netlink.rtnetlink import NetlinkRequest, Socket
from vif_agent.host.nic_migration import migrate


def create(netlink: Socket, orders: Sequence[LinkOrder]) -> Failures:
    """First the policy, for all; what it lets pass is made and changed. Who failed, and why."""
    KNOWN.see(netlink)
    looks = Looks(netlink, *links_to_see(orders, KNOWN), KNOWN.named)
    policy = Policy(allowed(), KNOWN, looks, orders)
    failures = {o.name: why for o in orders if (why := policy.refusal(o))}
    work = _Work(netlink, looks, [o for o in orders if o.name not in failures])
    work.do()
    failures |= work.failures
    _blame_masters(orders, failures)
    obstacles.named(netlink, orders, work.indexes, failures)
    return failures


class _RefusedTap(Exception):
    """By the kernel, when it was there already: an errno and its text."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text)
        self.why = code, text


class _Work:
    """What the policy lets through; an order that has failed gets no further step."""

    def __init__(self, netlink: Socket, looks: Looks, orders: Sequence[LinkOrder]) -> None:
        self.failures: Failures = {}
        self._netlink, self._orders = netlink, orders
        self.indexes = {name: link.index for name, link in looks.by_name.items()}
        self.indexes |= chosen_indexes(orders)
        self._looks = looks

    @property
    def _left(self) -> list[LinkOrder]:
        return [order for order in self._orders if order.name not in self.failures]

    def do(self) -> None:
        below = self._below()
        too_large = obstacles.too_large(self._netlink, self._left, self.indexes, below)
        self.failures |= too_large
        renames.rename(self._netlink, self._left, self.failures)
        self._delete_what_is_replaced()
        ipv6.lower(self._netlink, self._left)
        left = [order for order in self._left if not isinstance(order, CreateTap)]
        self._send([*creation(left, self.indexes, below), *settings(left, self.indexes)])
        self._make_taps()
        self._note()
        self._send_peers()
        self._write_sysctls()
        self._send([(o.name, raise_link(self.indexes[o.name])) for o in self._left if o.up])
        self._move_nics()

    def _below(self) -> dict[str, int]:
        """Tunnels of a group learn which device is below them; those whose address is nowhere
        fail."""
        new = [order for order in self._left if isinstance(order, CreateVxlan)]
        carried = addresses.dump(self._netlink) if new else []
        below = {order.name: addresses.at(carried, order.local or "") for order in new}
        for order in new:
            if order.group and not below[order.name]:
                self._fail(order.name, errno.ENODEV, f"no device carries {order.local}")
        return below

    def _delete_what_is_replaced(self) -> None:
        old = {o.replaces: o.name for o in self._left if isinstance(o, CreateLink) and o.replaces}
        for index, why in delete_indexes(self._netlink, list(old)).items():
            self._fail(old[index], *why)

    def _make_taps(self) -> None:
        """Each is tagged, and as it is to be but for sysctls and "up", before it is made to last:
        of one that fails, or when we are killed, nothing stays."""
        device, owner = allowed().tun_device, allowed().tap_owner
        for order in self._left:
            if not isinstance(order, CreateTap):
                continue
            try:
                with taps.creating(device, order.name, bool(order.multi_queue), owner):
                    self.indexes[order.name] = socket.if_nametoindex(order.name)
                    self._set_tap(order)
            except _RefusedTap as refused:
                self._fail(order.name, *refused.why)
            except OSError as error:
                where = "" if error.errno == errno.EBUSY else f"{device}: "
                text = where + os.strerror(error.errno or 0)
                self._fail(order.name, error.errno or errno.EIO, text)

    def _set_tap(self, order: CreateTap) -> None:
        (answer,) = self._netlink.ask([tap_settings(order, self.indexes)])
        if answer.errno:
            raise _RefusedTap(answer.errno, answer.text)

    def _note(self) -> None:
        """What is ours from now on, by its index."""
        for order in self._left:
            if isinstance(order, CreateLink):
                KNOWN.note(self.indexes[order.name], order.kind, order.owner)
            elif isinstance(order, ChangeLink) and (there := self._looks.by_index.get(order.index)):
                KNOWN.note(order.index, there.kind, order.owner)

    def _send_peers(self) -> None:
        for order in self._left:
            if isinstance(order, CreateVxlan | ChangeLink) and order.peers is not None:
                index = self.indexes[order.name]
                present = vxlan.peers(self._netlink, index)
                changes = vxlan.changes_of_peers(index, order.peers, present)
                self._send([(order.name, change) for change in changes])

    def _write_sysctls(self) -> None:
        for order in self._left:
            if why := sysctls.write(order, self.indexes[order.name]):
                self._fail(order.name, *why)

    def _move_nics(self) -> None:
        """Where its master has not changed, something that belongs to it has come back to it."""
        for order in self._left:
            if not isinstance(order, MoveNic) or order.bridge is None:
                continue
            try:
                bridge = index_of(order.bridge, self.indexes)
                answer = migrate.move(self._netlink, order.index, bridge)
            except OSError as error:
                where = f"{error.filename}: " if error.filename else ""
                self._fail(order.name, error.errno or errno.EIO, f"{where}{error.strerror}")
            else:
                if answer.errno:
                    self._fail(order.name, answer.errno, answer.text)

    def _send(self, requests: Sequence[tuple[str, NetlinkRequest]]) -> None:
        if not requests:
            return
        answers = self._netlink.ask([request for _, request in requests])
        for (name, _), answer in zip(requests, answers, strict=True):
            if answer.errno:
                self._fail(name, answer.errno, answer.text)

    def _fail(self, name: str, code: int, text: str) -> None:
        """The first failure of a device is the one to tell: those after it follow from it."""
        self.failures.setdefault(name, (code, text))


def _blame_masters(orders: Iterable[LinkOrder], failures: Failures) -> None:
    """What fails for want of its bridge, made in this same call, fails as the bridge did."""
    for order in orders:
        if order.name in failures and order.master in failures:
            failures[order.name] = failures[order.master]
