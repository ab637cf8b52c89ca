"""What the tables are of, the same on every host and for every port. Pure."""

from collections.abc import Mapping

from vif_agent.host.nft.rules import (
    ARP_CHAINS,
    IP_CHAINS,
    OF_A_BRIDGE,
    OF_ARP,
    OF_IP,
    RARP_CHAINS,
)
from vif_agent.host.nft.sets import ARP_PORTS, DROPPED, PORTS, SETS
from vif_agent.host.nft.words import (
    ARP,
    BRIDGE,
    INET,
    Chain,
    Count,
    Discard,
    Drop,
    Family,
    Set,
    Table,
)
from vif_agent.ownership import MARK

#: in each family
NAME = "vif_agent"
#: of the sets and of what is read back of them: an agent that knows another one makes all anew.
#: It is in the table's comment, which also begins so where an older agent has made it
VERSION = f"{MARK} 1"


def _table(family: Family, judging: tuple[Chain, ...], sets: tuple[Set, ...]) -> Table:
    """With a chain for each reason to drop a frame."""
    words = (word for chain in judging for rule in chain.rules for word in rule)
    drops = dict.fromkeys(word for word in words if isinstance(word, Drop))
    dropping = (Chain(drop.chain, ((Count(drop.reason),), (Discard(),))) for drop in drops)
    return Table(family, (*judging, *dropping), sets)


#: of ports in bridges, and two for those that are routed
TABLES: Mapping[Family, Table] = {
    table.family: table
    for table in (
        _table(BRIDGE, OF_A_BRIDGE + ARP_CHAINS + RARP_CHAINS + IP_CHAINS, SETS),
        _table(INET, OF_IP + IP_CHAINS, (*PORTS, DROPPED)),
        _table(ARP, OF_ARP + ARP_CHAINS, (*ARP_PORTS, DROPPED)),
    )
}

#: why frames are dropped: those of routed taps are among them
REASONS = TABLES[BRIDGE].reasons
