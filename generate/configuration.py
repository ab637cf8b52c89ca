"""docs/configuration.md, of the options' own declarations."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from oslo_config import cfg

from generate.template import filled
from vif_agent import config
from vif_agent.bus import transport
from vif_agent.neutron import options as neutron
from vif_agent.nova import options as nova

_TYPES = {
    "boolean value": "`true` or `false`",
    "dict value": "`NAME:VALUE` pairs, separated by commas",
    "floating point value": "number",
    "integer value": "whole number",
    "IP address value": "IPv4 or IPv6 address",
    "list value": "list, separated by commas",
    "port value": "port",
    "string value": "text",
}
_WIDTH = 110


class Section(NamedTuple):
    group: str
    title: str
    options: list[cfg.Opt]


def text() -> str:
    sections = [
        Section("DEFAULT", "The host, and the store", config.DEFAULT),
        *(Section(group.name, group.title or "", options) for group, options in config.GROUPS),
    ]
    senders = [
        Section(nova.GROUP, "In nova.conf: nova-compute as the sender", nova.OPTIONS),
        Section(neutron.GROUP, "In ml2_conf.ini: Neutron's servers as the sender", neutron.OPTIONS),
    ]
    known = {
        _name(s.group, option): _anchor(s.group, option) for s in sections for option in s.options
    }
    return filled(
        "configuration.md",
        CONTENTS="\n".join(_contents(sections + senders)),
        OPTIONS="\n".join(line for s in sections for line in _section(s, known)),
        SENDERS="\n".join(line for s in senders for line in _section(s, known)),
        DEFAULTS="\n".join(_other_defaults()),
    )


def _contents(sections: list[Section]) -> Iterator[str]:
    yield from ("| group | options |", "|---|---|")
    for group, _, options in sections:
        links = (f"[{o.name}](#{_anchor(group, o)})" for o in options)
        yield f"| `[{group}]` | {', '.join(links)} |"


def _section(section: Section, known: Mapping[str, str]) -> Iterator[str]:
    yield f"## [{section.group}]\n\n{section.title}.\n"
    for option in section.options:
        yield f"### {_name(section.group, option)}\n"
        yield f"{'; '.join(_facts(option))}.\n"
        yield _wrapped(_linked(_plain(option.help), known)) + "\n"
        yield from _choices(option, known)


def _facts(option: cfg.Opt) -> Iterator[str]:
    kind: Any = option.type
    wanted = f" (`{option.metavar}`)" if option.metavar else ""
    yield f"{_TYPES[kind.type_name].capitalize()}{wanted}{_range(kind)}"
    yield f"default: {_default(option)}"
    yield f"a change takes {'`systemctl reload vif-agent`' if option.mutable else 'a restart'}"


def _range(kind: Any) -> str:
    least, most = getattr(kind, "min", None), getattr(kind, "max", None)
    if least is None:
        return ""
    return f", at least {least}" if most is None else f", {least} to {most}"


def _default(option: cfg.Opt) -> str:
    value: Any = option.default if option.sample_default is None or not option.default else None
    if value is None and option.default:
        return f"`{option.sample_default}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, list):
        value = ",".join(value)
    return "none" if value in (None, "", {}) else f"`{value}`"


def _choices(option: cfg.Opt, known: Mapping[str, str]) -> Iterator[str]:
    choices = getattr(option.type, "choices", None)
    if not choices:
        return
    if not any(choices.values()):
        yield f"Allowed: {', '.join(_value(c) for c in choices)}.\n"
        return
    yield from ("| value | meaning |", "|---|---|")
    for value, meaning in choices.items():
        yield f"| {_value(value)} | {_linked(_plain(meaning), known)} |"
    yield ""


def _value(value: str) -> str:
    return f"`{value}`" if value else "empty"


def _other_defaults() -> Iterator[str]:
    yield from ("| option | default here |", "|---|---|")
    for group, values in transport.DEFAULTS.items():
        for name, value in values.items():
            shown = ",".join(value) if isinstance(value, list) else value
            yield f"| `[{group}] {name}` | `{shown}` |"


def _name(group: str, option: cfg.Opt) -> str:
    return f"[{group}] {option.name}"


def _anchor(group: str, option: cfg.Opt) -> str:
    """As GitHub makes it of the heading."""
    return f"{group.lower()}-{option.name}"


def _wrapped(words: str) -> str:
    return textwrap.fill(words, _WIDTH, break_long_words=False, break_on_hyphens=False)


def _plain(words: str | None) -> str:
    """Words that Markdown would take for its own marks."""
    return re.sub(r"([*<|])", r"\\\1", words or "")


def _linked(words: str, known: Mapping[str, str]) -> str:
    """Other options and documents that are named become links."""
    words = re.sub(r"\bdocs/(\w+\.md)", r"[\1](\1)", words)

    def link(found: re.Match[str]) -> str:
        anchor = known.get(found[0])
        return f"[`{found[0]}`](#{anchor})" if anchor else found[0]

    return re.sub(r"\[\w+\] \w+", link, words)
