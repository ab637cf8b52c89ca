"""What the bus tells of a port: one form for replies and notifications."""

import datetime
from typing import Any

from vif_agent.bus import casts
from vif_agent.bus.casts import Refusal
from vif_agent.errors import Problem
from vif_agent.ports.event import Event
from vif_agent.ports.port import Port
from vif_agent.resources import Guard


def port(port: Port) -> dict[str, Any]:
    """Times are ISO 8601, UTC; ``elapsed_ms`` counts from the receipt of the request."""
    return {
        "port_id": port.port_id,
        "instance_uuid": casts.instance_uuid(port.instance),
        "vif_type": port.vif_type,
        "verb": port.verb,
        "state": port.state,
        "devices": list(port.devices),
        "error": error(port.problem),
        "generation": port.generation,
        "request_id": port.request_id,
        "received_at": iso(port.received_at),
        "done_at": iso(port.done_at),
        "elapsed_ms": port.elapsed_ms and round(port.elapsed_ms, 1),
    }


def refusal(refused: Refusal) -> dict[str, Any]:
    """A cast that was refused, in the form of a port whose state is "refused"."""
    return {
        "port_id": refused.port_id,
        "instance_uuid": refused.instance_uuid,
        "vif_type": refused.vif_type,
        "verb": refused.verb,
        "state": "refused",
        "devices": [],
        "error": error(refused.error.problem),
        "generation": refused.generation,
        "request_id": refused.request_id,
        "elapsed_ms": 0.0,
    }


def event(event: Event) -> dict[str, Any]:
    """Of a port's history."""
    at = iso(event.at)
    return {"port_id": event.port_id, "at": at, "what": event.what, "text": event.text}


def guard(guard: Guard) -> dict[str, Any]:
    """What its guest may say of itself."""
    return {
        "device": guard.name,
        "macs": list(guard.macs),
        "pairs": [" ".join(pair) for pair in guard.pairs],
        "dhcp_server": guard.dhcp_server,
        "router": guard.router,
        "routed": guard.routed,
    }


def error(problem: Problem | None) -> dict[str, Any] | None:
    """``{"code", "message", "transient"}``; None for no problem."""
    if problem is None:
        return None
    return {"code": problem.code, "message": problem.message, "transient": problem.transient}


def iso(seconds: float | None) -> str | None:
    """Seconds since 1970 as ISO 8601, UTC, with milliseconds."""
    if seconds is None:
        return None
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="milliseconds")
