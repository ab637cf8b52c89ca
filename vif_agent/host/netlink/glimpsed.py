"""What was read of links becomes facts of a picture. No I/O."""

from vif_agent.host.netlink.decode import LinkState
from vif_agent.host.netlink.table import LinkTable
from vif_agent.ownership import owner_in_alias
from vif_agent.topology.facts import LinkFacts


def link_facts(state: LinkState, table: LinkTable) -> LinkFacts:
    """A tun is no tap: nobody has it open for a guest."""
    is_tap = state.kind == "tun" and state.data["type"] == 2
    return LinkFacts(
        name=state.name,
        kind="tun device" if state.kind == "tun" and not is_tap else state.kind,
        mtu=state.mtu,
        mac=state.mac,
        up=state.up,
        carrier=state.carrier,
        master=table.name_of(state.master) if state.master else "",
        below=_below(state, table),
        tag=state.data.get("vid", state.data.get("vni")),
        local=state.data.get("local", ""),
        held=bool(state.data["queues"] or state.carrier) if is_tap else None,
        owner=owner_in_alias(state.alias),
    )


def _below(state: LinkState, table: LinkTable) -> str:
    """A tunnel without a device of its own choice goes where its address is."""
    index = state.link
    if state.kind == "vxlan":
        index = state.data["below"] or (table.carried.bearer(state.data["local"]))
    return table.name_of(index) if index else ""
