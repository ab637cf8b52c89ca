"""What the helper does upon a call: the entry points of its channel.

Each takes orders as plain data (``codec.to_plain``), and answers with what failed and why.
"""

from collections.abc import Mapping, Sequence

from vif_agent.helper import create as creating
from vif_agent.helper import delete as deleting
from vif_agent.helper import functions
from vif_agent.helper.codec import Plain, from_plain
from vif_agent.helper.known import KNOWN
from vif_agent.helper.looked import Looks
from vif_agent.helper.orders import DeleteLink, Failures, LinkOrder, SetVf
from vif_agent.helper.process import context
from vif_agent.host.netlink import firewall
from vif_agent.host.netlink.rtnetlink import Socket
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
def remember(links: Mapping[int, tuple[str, str]]) -> None:
    """Kind and owner, by index, of what had our tag in this boot; heard once, at the start."""
    KNOWN.be_told(links)
