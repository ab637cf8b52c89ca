"""The ports of one host, moved in one transaction: changed is what was read in it."""

import datetime
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from vif_agent.neutron import binding
from vif_agent.neutron.adoption import agents as reported
from vif_agent.neutron.adoption import database
from vif_agent.neutron.adoption.agents import Agent
from vif_agent.neutron.adoption.ports import ADOPT, Moved, Segment, Sorted, Way, sort


def move(
    engine: database.Transactions,
    conf: Any,
    host: str,
    way: Way,
    ignored: Collection[str],
    apply: bool,
    partly: bool,
) -> Moved:
    """What there is, and whether it was changed: only if ``apply``, and nothing hinders it."""
    with engine.transaction() as transaction:
        agents = database.agents(transaction)
        serving = next((a for a in agents if (a.host, a.type) == (host, way.agent)), None)
        ports = database.bound(transaction, host, way)
        found = sort(ports, way, serving.serves if serving else _unknown, frozenset(ignored))
        hindrance = (
            reported.hindrance(host, agents, way, _now(), conf.agent_down_time)
            or _unknown_ends(transaction, agents, found, way)
            or ("some ports are refused (see --partly)" if found.refused and not partly else "")
        )
        applied = bool(apply and serving and not hindrance)
        if applied and serving:
            database.change(transaction, host, found.changes, way, _details(way, serving, conf))
    return Moved(found, hindrance, applied)


def _unknown(_: Segment) -> str:
    """Nobody has told yet what the host serves: that is said once, for all."""
    return ""


def _unknown_ends(
    transaction: database.Transaction, agents: Sequence[Agent], found: Sorted, way: Way
) -> str:
    """By l2population the others' ends are in the kernel already, but the agent, told of fewer,
    would take them away."""
    tunnelled = any(level.segment.type == "vxlan" for p in found.changes for level in p.levels)
    if way is not ADOPT or not tunnelled or not reported.is_populated(agents):
        return ""
    missing = database.missing_ends(transaction, reported.tunnel_ends(agents))
    if not missing:
        return ""
    return (
        f"vif-agent would not know the tunnel ends of {', '.join(missing)}: run vif-agent-neutron "
        "prepare --apply, and start the host's vif-agent anew"
    )


def _details(way: Way, serving: Agent, conf: Any) -> Mapping[str, Any]:
    """What the driver itself says of a port that it binds."""
    if way is ADOPT:
        return binding.vif_details(serving.configurations)
    return {"port_filter": conf.securitygroup.enable_security_group, "connectivity": "l2"}


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
