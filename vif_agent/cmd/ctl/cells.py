"""Values as they stand in a table; json and yaml get them as they are."""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vif_agent.errors import plain

_MACHINES = ("json", "yaml")
_LONGEST = 10_000  # characters of a cell

Table = tuple[tuple[str, ...], Iterable[Sequence[Any]]]


def table(
    args: argparse.Namespace, columns: Mapping[str, str], items: Iterable[Mapping[str, Any]]
) -> Table:
    """``columns``: {heading, as a key of json: field of an item}."""
    rows = [[cell(args, item[field]) for field in columns.values()] for item in items]
    return headings(args, columns), rows


def one(args: argparse.Namespace, item: Mapping[str, Any]) -> tuple[tuple[str, ...], list[Any]]:
    """As cliff's ShowOne wants it: names and values."""
    return tuple(item), [cell(args, value) for value in item.values()]


def headings(args: argparse.Namespace, columns: Iterable[str]) -> tuple[str, ...]:
    """In capitals in a table for people, as they are for machines."""
    return tuple(name.upper() if args.formatter == "table" else name for name in columns)


def whole(args: argparse.Namespace) -> bool:
    """Is it for machines, which take values within values?"""
    return args.formatter in _MACHINES


def cell(args: argparse.Namespace, value: Any) -> Any:
    """As it is for machines, as text for people."""
    return value if whole(args) else text(value)


def text(value: Any) -> str:
    """With no character that controls the terminal."""
    return plain(_words(value), _LONGEST)


def guard(guard: Mapping[str, Any]) -> str:
    """What may come from a guarded device, and what did not, in words."""
    may = [what for what in ("dhcp_server", "router") if guard[what]]
    roles = "".join(f"; may be a {what.replace('_', ' ')}" for what in may)
    to = " to the host" if guard.get("routed") else ""  # agents of before do not say it
    words = f"{text(guard['device'])} sends{to} from {text(guard['pairs'])}{roles}"
    return words if guard["drops"] is None else f"{words}; dropped: {dropped(guard['drops'])}"


def dropped(drops: Mapping[str, int]) -> str:
    """Frames by reason."""
    counts = [f"{count} {text(why)}" for why, count in sorted(drops.items()) if count]
    return ", ".join(counts) or "nothing"


def _words(value: Any) -> str:
    if value is None or value in ([], {}):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(text, value))
    if isinstance(value, Mapping):
        return guard(value) if "pairs" in value else _text_of(value)
    return str(value)


def _text_of(value: Mapping[str, Any]) -> str:
    if "code" in value:
        again = " (is tried again)" if value.get("transient") else ""
        return f"{value['code']}: {value['message']}{again}"
    if "ok" in value:
        word = {True: "well", False: "ILL", None: "none"}[value["ok"]]
        return f"{word} since {value['since']}" + (f": {value['why']}" if value["why"] else "")
    return ", ".join(f"{name}: {text(each)}" for name, each in value.items())
