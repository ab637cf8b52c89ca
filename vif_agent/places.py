"""Names that only the host knows, as a plugin may give them: by a PCI address.

A plugin is pure and cannot know what the kernel calls the representor of a VF. It gives the place
instead, in any text of a resource, and the engine has the host find the name at each look, for it
may have changed. The blank in a place keeps it from ever being a device's name.
"""

import dataclasses
import re
from collections.abc import Callable
from typing import Any, TypeAlias

from vif_agent.resources import Resource

NETDEV, REPRESENTOR, PF_ADDRESS, VF_NUMBER = "netdev", "representor", "PF address", "VF number"
#: of whatever VF a resource speaks of: the network device of its card, if casts may name that
CARD = "card"

#: (what, PCI address) to the name; NotYet if it is not there, NotConfigured if no cast may name it
Find: TypeAlias = Callable[[str, str], str]

_ADDRESS = re.compile(r"(?<![0-9a-f:])[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7](?![0-9a-f])")
PLACE = re.compile(r"<([A-Za-z ]+) of ([0-9a-f:.]+)>")


def of_pci(address: str, what: str) -> str:
    """``what``: one of the words above, of the device at this address."""
    return f"<{what} of {address}>"


def has_place(resource: Resource) -> bool:
    return any(PLACE.search(text) for text in _texts_of(resource))


def addresses(resource: Resource) -> set[str]:
    """All that it speaks of: the name of a VF, a place, the argument of a command."""
    return {address for text in _texts_of(resource) for address in _ADDRESS.findall(text)}


def located(resource: Resource, find: Find) -> Resource:
    """The resource with names in the place of places."""
    if not has_place(resource):
        return resource
    fields = {f.name: getattr(resource, f.name) for f in dataclasses.fields(resource) if f.init}
    return dataclasses.replace(resource, **{k: _found(v, find) for k, v in fields.items()})


def _texts_of(resource: Resource) -> list[str]:
    fields = (getattr(resource, f.name) for f in dataclasses.fields(resource))
    return [text for value in fields for text in _texts(value)]


def _texts(value: object) -> list[str]:
    if isinstance(value, tuple):
        return [text for item in value for text in _texts(item)]
    return [value] if isinstance(value, str) else []


def _found(value: Any, find: Find) -> Any:
    if isinstance(value, tuple):
        return tuple(_found(item, find) for item in value)
    if isinstance(value, str):
        return PLACE.sub(lambda match: find(match[1], match[2]), value)
    return value
