"""A cast as it comes in: the RPC envelope becomes a PortRequest or a Sync, or is refused."""

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vif_agent import vif as vifs
from vif_agent import wishes
from vif_agent.errors import InvalidRequest, VifAgentError
from vif_agent.ports.port import PLUG, UNPLUG, FullSet, PortRequest
from vif_agent.vif import Vif

_VERBS = {"plug_vif": PLUG, "unplug_vif": UNPLUG}
_SYNC = "sync_vifs"
_MOST_PORTS = 10_000
_LARGEST = 1 << 16  # characters of JSON; a real VIF has about two thousand
_LONGER = 6  # times, at most, than on the wire: é has two bytes there, and is \u00e9 in ASCII
_MOST_REFUSALS = 100  # of one list, that are reported singly
_VERSION = re.compile(r"1(\.[0-9]{1,9})?\Z", re.ASCII)
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
    source: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Sync:
    """A ``sync_vifs`` cast. ``refusals``: those of its VIFs that were refused, each by itself if it
    names its port; the others, and the rest of very many, in one.

    ``whole``: it says that it is complete, and every VIF in it names its port.
    """

    full_set: FullSet
    refusals: tuple[Refusal, ...]
    whole: bool

    def deleting(self) -> FullSet:
        """The same, with all that is not in it to be unplugged."""
        return dataclasses.replace(self.full_set, deletes=True)


def read(
    context: object, message: object, message_id: object = None, size: int | None = None
) -> PortRequest | Sync | Refusal:
    """``message`` is {method, args, version}, as oslo.messaging's RPCClient sends it.

    ``size``: its bytes on the wire, as JSON, if that is known.
    """
    small = size is not None and size * _LONGER <= _LARGEST
    try:
        if _get(message, "method") == _SYNC:
            return _sync(context, message, message_id)
        return _request(context, message, message_id, small)
    except InvalidRequest as error:
        return refusal(context, message, error)
    except RecursionError:
        return refusal(context, message, InvalidRequest("args", "…", "less deeply nested values"))


def refusal(context: object, message: object, error: VifAgentError) -> Refusal:
    """With what can be read of a cast that is refused: never raises."""
    args = _get(message, "args")
    vif = _get(args, "vif")
    return Refusal(
        error,
        verb=_verb_of(_get(message, "method")),
        port_id=_or_none(lambda: vifs.port_id_of(vif)),
        generation=_or_none(lambda: generation_of(args)),
        request_id=_request_id(context),
        vif_type=_short(_get(vif, "type")),
        instance_uuid=instance_uuid(_get(args, "instance")),
        source=_source(vif),
    )


def _verb_of(method: object) -> str:
    """For a notification's name: vif.VERB.error."""
    return "sync" if method == _SYNC else _VERBS.get(str(method), PLUG)


def _sync(context: object, message: object, message_id: object) -> Sync:
    """Its items are VIFs, or {"instance": ..., "vif": ...}; a bad one refuses only itself."""
    args = _args(message)
    items, complete = args.get("vifs"), args.get("complete", False)
    if not isinstance(items, Sequence) or isinstance(items, str) or len(items) > _MOST_PORTS:
        raise InvalidRequest("vifs", items, f"a list of at most {_MOST_PORTS} VIFs")
    if not isinstance(complete, bool):
        raise InvalidRequest("complete", complete, "true or false")
    generation, source = generation_of(args), _sender(args)
    read = list(_plugs(context, items, generation))
    named = {item.port_id for item in read if item.port_id}
    full_set = FullSet(
        plugs=tuple(item for item in read if isinstance(item, PortRequest)),
        named=frozenset(named),
        generation=generation,
        request_id=_request_id(context),
        message_id=_short(message_id) or None,
        source=source,
    )
    refusals = tuple(_reported([item for item in read if isinstance(item, Refusal)], len(read)))
    return Sync(full_set, refusals, complete and all(item.port_id for item in read))


class BadList(InvalidRequest):
    """What is wrong with very many of its items is reported once."""

    def __init__(self, refused: int, total: int, first: VifAgentError) -> None:
        text = (
            f"vifs: {refused} of {total} VIFs are refused and not reported one by one; the first: "
        )
        VifAgentError.__init__(self, text + str(first))


def _reported(refusals: Sequence[Refusal], total: int) -> Iterator[Refusal]:
    singly = [refusal for refusal in refusals if refusal.port_id][:_MOST_REFUSALS]
    yield from singly
    known = set(map(id, singly))
    rest = [refusal for refusal in refusals if id(refusal) not in known]
    if len(rest) == 1:
        yield rest[0]
    elif rest:
        error = BadList(len(rest), total, rest[0].error)
        yield Refusal(error, "sync", None, rest[0].generation, rest[0].request_id)


def _plugs(
    context: object, items: Sequence[object], generation: int | None
) -> Iterator[PortRequest | Refusal]:
    """Of two that say different things of one port the first counts."""
    first_plugs: dict[str, PortRequest] = {}
    for item in items:
        args = {**_pair(item), "generation": generation}
        plug = _plug(context, args)
        if isinstance(plug, PortRequest):
            first = first_plugs.setdefault(plug.port_id, plug)
            if (first.instance, first.vif) != (plug.instance, plug.vif):
                error = InvalidRequest("vif.id", plug.port_id, "each port once")
                plug = refusal(context, {"method": "plug_vif", "args": args}, error)
        yield plug


def _plug(context: object, args: Mapping[str, object]) -> PortRequest | Refusal:
    message = {"method": "plug_vif", "args": args}
    try:
        # of very many, the parsed ones would be held until each has had its turn
        return dataclasses.replace(_request(context, message, None), parsed=None)
    except InvalidRequest as error:
        return refusal(context, message, error)


def _pair(item: object) -> Mapping[str, object]:
    if isinstance(item, Mapping) and "vif" in item:
        return {"instance": item.get("instance"), "vif": item["vif"]}
    return {"instance": {}, "vif": item}


def _args(message: object) -> Mapping[str, Any]:
    if not isinstance(message, Mapping):
        raise InvalidRequest("message", message, "an RPC message")
    check_version(message)
    args = message.get("args")
    if not isinstance(args, Mapping):
        raise InvalidRequest("args", args, "a dict")
    return args


def _request(
    context: object, message: object, message_id: object, small: bool = False
) -> PortRequest:
    """``small``: no part of it can be too large."""
    method = _get(message, "method")
    if isinstance(message, Mapping) and (not isinstance(method, str) or method not in _VERBS):
        raise InvalidRequest("method", method, " or ".join((*_VERBS, _SYNC)))
    args = _args(message)
    port_id, vif_type, parsed = _checked(_VERBS[method], args)
    return PortRequest(
        port_id=port_id,
        verb=_VERBS[method],
        instance=_sized("instance", args.get("instance"), small),
        vif=_sized("vif", args["vif"], small),
        vif_type=vif_type,
        parsed=parsed,
        generation=generation_of(args),
        request_id=_request_id(context),
        message_id=_short(message_id) or None,
        source=_source(args["vif"]),
    )


def _source(vif: object) -> str:
    """Neutron's driver signs what it casts; what others have put there is theirs."""
    sender = wishes.sender_of(vif)
    return sender if sender == wishes.NEUTRON else ""


def _sender(args: Mapping[str, object]) -> str:
    """Whose ports a full set is about: those of a sender who signs them, or of all others."""
    sender = args.get("sender")
    if sender not in (None, wishes.NEUTRON):
        raise InvalidRequest("sender", sender, f"{wishes.NEUTRON}, or none")
    return wishes.NEUTRON if sender else ""


def _checked(verb: str, args: Mapping[str, object]) -> tuple[str, str, Vif | None]:
    """An unplug must only name its port: what to remove is known from the plug."""
    if verb == PLUG:
        vif = vifs.parse(args.get("instance"), args.get("vif"))
        return vif.port_id, vif.vif_type, vif
    return vifs.port_id_of(args.get("vif")), _short(_get(args.get("vif"), "type")), None


def check_version(message: Mapping[str, Any]) -> None:
    """Any 1.x: minor versions only add what may be left out."""
    version = message.get("version", "1.0")
    if not isinstance(version, str) or not _VERSION.match(version):
        raise InvalidRequest("version", version, "1.x")
    if message.get("namespace") is not None:
        raise InvalidRequest("namespace", message["namespace"], "none")


def generation_of(args: object) -> int | None:
    """Of a cast's arguments; None if they have none. InvalidRequest for all but 0 to 2**63 - 1."""
    value = _get(args, "generation")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST_GENERATION:
        raise InvalidRequest("generation", value, "a whole number from 0 to 2**63 - 1")
    return value


def _sized(field: str, value: object, small: bool) -> object:
    vifs.check_json(value, field)
    if not small and len(json.dumps(value)) > _LARGEST:
        raise InvalidRequest(field, "…", f"at most {_LARGEST} characters of JSON")
    return value


def _request_id(context: object) -> str:
    return _short(_get(context, "global_request_id") or _get(context, "request_id"))


def _get(value: object, key: str) -> Any:
    return value.get(key) if isinstance(value, Mapping) else None


def _short(value: object) -> str:
    """A string that may stand in a log line and a database, or nothing."""
    return value if isinstance(value, str) and value.isprintable() and len(value) <= 255 else ""


def instance_uuid(instance: object) -> str | None:
    """As it is reported: an unplug's was never read."""
    given = _short(_get(instance, "uuid"))
    return _or_none(lambda: vifs.canonical("instance.uuid", given)) or given or None


def _or_none(read: Any) -> Any:
    try:
        return read()
    except InvalidRequest:
        return None
