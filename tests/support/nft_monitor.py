"""What the kernel tells of nf_tables in this namespace, as `nft monitor` hears it, read without our
own parser: a witness should not share one with what it watches."""

from __future__ import annotations

from collections.abc import Iterator

from vif_agent.testing.netlink_listener import NetlinkListener, attributes

NETLINK_NETFILTER = 12
GROUP = 1 << 7 - 1  # NFNLGRP_NFTABLES
#: linux/netfilter/nf_tables.h, NFT_MSG_…; of each the first attribute is the table
KINDS = {
    0: "new table", 2: "delete table", 3: "new chain", 5: "delete chain", 6: "new rule",
    8: "delete rule", 9: "new set", 11: "delete set", 12: "new element", 14: "delete element",
    18: "new object", 20: "delete object", 22: "new flowtable", 24: "delete flowtable",
}  # fmt: skip
NEW_GENERATION = 15
FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}
GENERIC = 4  # struct nfgenmsg, of which the first byte is the family
LOST = "LOST (the kernel dropped events: more came than its buffer holds)"


class NftEvents(NetlinkListener[str]):
    """Of each batch, when it is done: as "new rule bridge vif_agent, by nft"."""

    def __init__(self) -> None:
        super().__init__(NETLINK_NETFILTER, GROUP, LOST)
        self._batch: list[str] = []

    def events_of(self, kind: int, body: bytes) -> Iterator[str]:
        """Of the batch that ends here."""
        kind &= 0xFF
        if kind == NEW_GENERATION:
            yield from (f"{event}, by {_maker(body)}" for event in self._batch)
            self._batch.clear()
        elif kind in KINDS:
            self._batch.append(f"{KINDS[kind]} {table_of(body)}")


def table_of(body: bytes) -> str:
    """As "bridge vif_agent"."""
    return f"{FAMILIES.get(body[0], body[0])} {_first(body, 1)}"


def _maker(body: bytes) -> str:
    """NFTA_GEN_PROC_NAME."""
    return _first(body, 3)


def _first(body: bytes, wanted: int) -> str:
    values = (value for kind, value in attributes(body[GENERIC:]) if kind & 0x3FFF == wanted)
    return next((value.rstrip(b"\0").decode(errors="replace") for value in values), "?")
