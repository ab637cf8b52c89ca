"""Names that only the host knows, as a plugin may give them: by a PCI address.

A plugin is pure and cannot know what the kernel calls the representor of a VF. It gives a
placeholder instead, such as "<representor of 0000:03:10.1>", in any text of a resource. At each
reconcile the engine has the host look up the name, for it may have changed. The blanks in a
placeholder keep it from ever being a device's name.
"""

import dataclasses
import functools
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from vif_agent.resources import Resource

NETDEV, REPRESENTOR, PF_ADDRESS, VF_NUMBER = "netdev", "representor", "PF address", "VF number"
#: of whatever VF a resource speaks of: the network device of its card, if casts may name that
CARD = "card"

#: (what, PCI address) to the name; NotYet if it is not there, NotConfigured if no cast may name it
LookUp: TypeAlias = Callable[[str, str], str]

_ADDRESS = re.compile(r"(?<![0-9a-f:])[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7](?![0-9a-f])")
_NONE = frozenset[str]()
PLACEHOLDER = re.compile(r"<([A-Za-z ]+) of ([0-9a-f:.]+)>")


def of_pci(address: str, what: str) -> str:
    """``what``: one of the words above, of the device at this address."""
    return f"<{what} of {address}>"


def has_placeholder(resource: Resource) -> bool:
    """Must the host find a name before it can be used?"""
    return PLACEHOLDER.search(_text_of(resource)) is not None


def resolved(resource: Resource, look_up: LookUp) -> Resource:
    """The resource with the host's names instead of placeholders."""
    if not has_placeholder(resource):
        return resource
    fields = {f.name: getattr(resource, f.name) for f in dataclasses.fields(resource) if f.init}
    return dataclasses.replace(resource, **{k: _found(v, look_up) for k, v in fields.items()})


def spoken_of(resources: Iterable[Resource]) -> tuple[frozenset[str], bool]:
    """The addresses in them (the name of a VF, a placeholder, the argument of a command), and
    whether any has a placeholder."""
    text = "\n".join(map(_text_of, resources))
    return frozenset(_ADDRESS.findall(text)) or _NONE, PLACEHOLDER.search(text) is not None


def _text_of(resource: Resource) -> str:
    """All texts in it, a line for each."""
    texts: list[str] = []
    names = _names(type(resource))  # type: ignore[arg-type]  # mypy: a class with __eq__
    _collect((getattr(resource, name) for name in names), texts)
    return "\n".join(texts)


@functools.cache
def _names(kind: type[Resource]) -> tuple[str, ...]:
    """Not by vars(): from then on each resource would have a dict of its own."""
    return tuple(field.name for field in dataclasses.fields(kind))


def _collect(values: Iterable[object], texts: list[str]) -> None:
    for value in values:
        if value is None or value is False or value is True:
            continue  # most are
        if isinstance(value, str):
            texts.append(value)
        elif isinstance(value, tuple):
            _collect(value, texts)


def _found(value: Any, look_up: LookUp) -> Any:
    if isinstance(value, tuple):
        return tuple(_found(item, look_up) for item in value)
    if isinstance(value, str):
        return PLACEHOLDER.sub(lambda match: look_up(match[1], match[2]), value)
    return value
