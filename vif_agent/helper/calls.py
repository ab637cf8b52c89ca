"""What the helper does upon a call: the entry points of its channel.

Each takes orders as plain data (``codec.to_plain``), and answers with what failed and why.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from vif_agent.errors import brief
from vif_agent.helper import create as creating
from vif_agent.helper import delete as deleting
from vif_agent.helper import functions, guards
from vif_agent.helper.codec import Plain, from_plain
from vif_agent.helper.known import KNOWN
from vif_agent.helper.looked import Looks
from vif_agent.helper.orders import DeleteLink, Failures, LinkOrder, SetGuard, SetVf
from vif_agent.helper.process import context
from vif_agent.helper.usage import usage
from vif_agent.host.netlink import firewall
from vif_agent.host.netlink.rtnetlink import Socket
from vif_agent.host.nft.rules import permitted_ethertypes
from vif_agent.host.nic_migration import migrate
from vif_agent.host.nic_migration.network_state import End
from vif_agent.ownership import SHARED


@context.entrypoint
def create(orders: Sequence[Plain]) -> Failures:
    """Make and change links."""
    with Socket() as netlink:
        return creating.create(netlink, from_plain(orders, LinkOrder))


@context.entrypoint
def delete(orders: Sequence[Plain]) -> Failures:
    """By index, what carries the agent's tag; those that stay, and why."""
    with Socket() as netlink:
        return deleting.delete(netlink, from_plain(orders, DeleteLink))


@context.entrypoint
def set_vfs(orders: Sequence[Plain]) -> Failures:
    """Of cards that the configuration names; those that failed, and why."""
    with Socket() as netlink:
        return functions.set_vfs(netlink, from_plain(orders, SetVf))


@context.entrypoint
def remember_bridges(indexes: Sequence[int]) -> None:
    """Those of ours among these: what belongs to them, in case somebody deletes them."""
    with Socket() as netlink:
        for link in Looks(netlink, indexes, ()).by_index.values():
            if link.kind == "bridge" and link.owner == SHARED:
                migrate.remember(netlink, End(link.index, link.name))


@context.entrypoint
def dropping_chains(families: Sequence[int]) -> list[str]:
    """The firewall's base chains at FORWARD that drop what no rule of theirs lets pass."""
    return firewall.dropping(families)


@context.entrypoint
def read_guards(rules: Sequence[int]) -> dict[str, Any]:
    """``enforced``: are all rules there, and these ethertypes permitted? The ``generation`` of
    this; ``guards``: by device a SetGuard, without an owner ("") what is not ours."""
    return guards.read(permitted_ethertypes(rules))


@context.entrypoint
def restore_guards(rules: Sequence[int]) -> dict[str, Any]:
    """The same, after what was last known here of ports' guards, and others have undone since, was
    put back in one batch: ``undone`` are their devices."""
    return guards.restore(permitted_ethertypes(rules))


@context.entrypoint
def write_guards(
    rules: Sequence[int], generation: int, put: Sequence[Plain], remove: Sequence[str]
) -> tuple[int, str]:
    """All of it in one batch: done (0), or nothing is, and why; where many networks go, in some.
    ``rules``: permitted ethertypes. ``generation``: the last that is known not to have changed what
    was read; the next one is ours. ERESTART: it has passed. ``remove``: devices, also such as have
    nothing."""
    permitted, orders = permitted_ethertypes(rules), from_plain(put, SetGuard)
    if type(generation) is not int or not 0 <= generation < 1 << 32:
        raise ValueError(f"generation: expected a number of 32 bits, got {brief(generation)}")
    refused = guards.write(permitted, generation, orders, frozenset(map(str, remove)))
    return refused.errno, refused.text


@context.entrypoint
def read_drops() -> dict[str, int]:
    """Frames by reason."""
    return guards.dropped()


@context.entrypoint
def read_port_drops() -> dict[str, dict[str, int]]:
    """By device, frames by reason."""
    return guards.dropped_of_ports()


@context.entrypoint
def probe_guards(routed: bool = False) -> str:
    """What the kernel lacks; "" for nothing. ``routed``: to guard routed taps, too."""
    return guards.lacks(routed is True)


@context.entrypoint
def remember(links: Mapping[int, tuple[str, str]]) -> None:
    """Kind and owner, by index, of what had our tag in this boot; heard once, at the start."""
    KNOWN.be_told(links)


@context.entrypoint
def own_usage() -> dict[str, float]:
    """Of the helper: see ``usage``."""
    return usage()
