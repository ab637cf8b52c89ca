"""The tables of nf_tables in this process's network namespace, which most modules share: what one
leaves there fails another. (Links are not asked for: Open vSwitch leaves some when it is killed.)
"""

from __future__ import annotations

from tests.support.nft_monitor import table_of
from vif_agent.host.nft.messages import get_tables
from vif_agent.host.nft.netlink import NftSocket

#: the agent keeps it when it ends, for its ports are to go on
_STAYS = "bridge vif_agent"


def tables() -> set[str]:
    """As "inet filter"; none where the kernel has no nf_tables."""
    try:
        with NftSocket() as netlink:
            return {table_of(body) for body in netlink.dump(get_tables())} - {_STAYS}
    except OSError:
        return set()
