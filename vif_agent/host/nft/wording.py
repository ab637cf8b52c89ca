"""Rules in plain words: for `nft list`, and for operators. Pure."""

from vif_agent.host.nft.words import (
    ETHERTYPE,
    Accept,
    Condition,
    Count,
    Discard,
    Drop,
    Field,
    Goto,
    In,
    Is,
    IsNot,
    IsThere,
    NotIn,
    Rule,
    Verdict,
)


def in_words(rule: Rule) -> str:
    """As "source MAC and source in one4: pass"."""
    *conditions, verdict = rule
    when = ", ".join(_condition(word) for word in conditions)  # type: ignore[arg-type]
    then = _verdict(verdict)  # type: ignore[arg-type]
    return f"{when}: {then}" if when else then


def _condition(word: Condition) -> str:
    match word:
        case Is(field, value):
            return f"{field.called} {_value(field, value)}"
        case IsNot(field, value):
            return f"{field.called} not {_value(field, value)}"
        case IsThere(field):
            return f"has {field.called}"
        case In(among, fields):
            return f"{_fields(fields)} in {among.name}"
        case NotIn(among, fields):
            return f"{_fields(fields)} not in {among.name}"


def _verdict(word: Verdict) -> str:
    match word:
        case Drop(reason):
            return f"drop, {reason}"
        case Goto(chain):
            return f"see {chain}"
        case Count(reason):
            return f"count {reason}"
        case Discard():
            return "drop"
        case Accept():
            return "pass"


def _fields(fields: tuple[Field, ...]) -> str:
    return " and ".join(field.called for field in fields)


def _value(field: Field, value: bytes) -> str:
    if field == ETHERTYPE:
        return f"0x{value.hex()}"
    if len(value) <= 2 or not any(value):
        return str(int.from_bytes(value))
    return ".".join(map(str, value)) if len(value) == 4 else value.hex()
