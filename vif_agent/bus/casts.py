"""A cast as it comes in: the RPC envelope becomes a Wish, or an InvalidRequest."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from vif_agent import vif as vifs
from vif_agent.errors import InvalidRequest, VifAgentError
from vif_agent.store import PLUG, UNPLUG, Wish

_VERBS = {"plug_vif": PLUG, "unplug_vif": UNPLUG}
_LARGEST = 1 << 20  # characters of JSON; a real VIF has about two thousand
_MOST_GENERATION = (1 << 63) - 1


@dataclasses.dataclass(frozen=True, slots=True)
class Refusal:
    """A cast that was refused at the door, with what could be read of it."""

    error: VifAgentError
    verb: str
    port_id: str | None
    generation: int | None
    request_id: str
    vif_type: str = ""
    instance_uuid: str | None = None


def read(context: object, message: object, message_id: object = None) -> Wish | Refusal:
    """``message`` is {method, args, version}, as oslo.messaging's RPCClient sends it."""
    try:
        return _wish(context, message, message_id)
    except InvalidRequest as error:
        return refusal(context, message, error)
    except RecursionError:
        return refusal(context, message, InvalidRequest("args", "…", "less deeply nested values"))


def refusal(context: object, message: object, error: VifAgentError) -> Refusal:
    args = _get(message, "args")
    vif = _get(args, "vif")
    return Refusal(
        error,
        verb=_VERBS.get(str(_get(message, "method")), PLUG),
        port_id=_or_none(lambda: vifs.port_id_of(vif)),
        generation=_or_none(lambda: _generation(args)),
        request_id=_request_id(context),
        vif_type=_short(_get(vif, "type")),
        instance_uuid=_short(_get(_get(args, "instance"), "uuid")) or None,
    )


def _wish(context: object, message: object, message_id: object) -> Wish:
    if not isinstance(message, Mapping):
        raise InvalidRequest("message", message, "an RPC message")
    method, args = message.get("method"), message.get("args")
    if not isinstance(method, str) or method not in _VERBS:
        raise InvalidRequest("method", method, " or ".join(_VERBS))
    _check_version(message)
    if not isinstance(args, Mapping):
        raise InvalidRequest("args", args, "a dict")
    port_id, vif_type = _checked(_VERBS[method], args)
    return Wish(
        port_id=port_id,
        verb=_VERBS[method],
        instance=_sized("instance", args.get("instance")),
        vif=_sized("vif", args["vif"]),
        vif_type=vif_type,
        generation=_generation(args),
        request_id=_request_id(context),
        message_id=_short(message_id) or None,
    )


def _checked(verb: str, args: Mapping[str, object]) -> tuple[str, str]:
    """An unplug must only name its port: what to remove is known from the plug."""
    if verb == PLUG:
        vif = vifs.parse(args.get("instance"), args.get("vif"))
        return vif.port_id, vif.vif_type
    return vifs.port_id_of(args.get("vif")), _short(_get(args.get("vif"), "type"))


def _check_version(message: Mapping[str, Any]) -> None:
    """Any 1.x: minor versions only add what may be left out."""
    version = message.get("version", "1.0")
    if not isinstance(version, str) or version.partition(".")[0] != "1":
        raise InvalidRequest("version", version, "1.x")
    if message.get("namespace") is not None:
        raise InvalidRequest("namespace", message["namespace"], "none")


def _generation(args: object) -> int | None:
    value = _get(args, "generation")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST_GENERATION:
        raise InvalidRequest("generation", value, "a whole number from 0 to 2**63 - 1")
    return value


def _sized(field: str, value: object) -> object:
    vifs.freeze(value, field)
    if len(json.dumps(value)) > _LARGEST:
        raise InvalidRequest(field, "…", f"at most {_LARGEST} characters of JSON")
    return value


def _request_id(context: object) -> str:
    return _short(_get(context, "global_request_id") or _get(context, "request_id"))


def _get(value: object, key: str) -> Any:
    return value.get(key) if isinstance(value, Mapping) else None


def _short(value: object) -> str:
    """A string that may stand in a log line and a database, or nothing."""
    return value if isinstance(value, str) and value.isprintable() and len(value) <= 255 else ""


def _or_none(read: Any) -> Any:
    try:
        return read()
    except InvalidRequest:
        return None
