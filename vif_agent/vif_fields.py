"""A dict of the bus, read field by field: InvalidRequest names the first that has not its form."""

import ipaddress
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TypeVar

from vif_agent.errors import InvalidRequest, brief
from vif_agent.names import DEVICE_NAME

_T = TypeVar("_T")

MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}\Z")
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,62}\Z")
_PCI = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]\Z")
_DEEPEST = 12
_SCALARS = (str, int, float, bool)
#: as Neutron and nova write it; read anyhow, some four a cast, it takes ten times as long
_CANONICAL_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")
_LONGEST_UUID = 45  # characters: with "urn:uuid:" before it, as Python reads it too


def canonical(field: str, value: object) -> str:
    """The one form of a UUID in here, as Neutron and nova write it: lower-case, with dashes."""
    if type(value) is str and _CANONICAL_UUID.match(value):
        return value
    try:
        if not isinstance(value, str) or len(value) > _LONGEST_UUID:
            raise ValueError(value)
        return str(uuid.UUID(value))
    except ValueError:
        raise InvalidRequest(field, value, "a UUID") from None


def freeze(value: object, path: str, depth: int = 0) -> object:
    """Deeply immutable copy of a JSON value; refuses what is nested too deep to be a VIF."""
    if depth > _DEEPEST:
        raise InvalidRequest(path, "…", f"at most {_DEEPEST} levels")
    if value is None or isinstance(value, _SCALARS):
        return value
    if isinstance(value, Mapping):
        return MappingProxyType({str(k): freeze(v, path, depth + 1) for k, v in value.items()})
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return tuple(freeze(item, path, depth + 1) for item in value)
    raise InvalidRequest(path, value, "JSON values")


def check_json(value: object, path: str) -> None:
    """As ``freeze`` refuses it, for what is only kept as it is."""
    level: list[object] = [value]
    for _ in range(_DEEPEST + 1):
        below: list[object] = []
        for item in level:
            if isinstance(item, str) or item is None:
                continue
            if isinstance(item, dict):
                below += item.values()
            elif isinstance(item, list):
                below += item
            elif not isinstance(item, int | float):
                freeze(item, path)
        if not below:
            return
        level = below
    raise InvalidRequest(path, "…", f"at most {_DEEPEST} levels")


class Fields:
    """A dict on the way in, which knows its path for error messages."""

    def __init__(self, path: str, value: object) -> None:
        if not isinstance(value, dict | Mapping):  # dict is seen at once, the other is not
            raise InvalidRequest(path, value, "a dict")
        for key in value:
            if not isinstance(key, str) or len(key) > 255:
                raise InvalidRequest(path, key, "keys that are short strings")
        self.path = path
        self.value: Mapping[str, object] = value

    def need(self, value: _T | None, key: str, expected: str) -> _T:
        """The value; InvalidRequest for None."""
        if value is None:
            raise self.wrong(key, expected)
        return value

    def wrong(self, key: str, expected: str) -> InvalidRequest:
        """The error for what stands under ``key``."""
        name = key if key.isprintable() else brief(key)  # of a bad one the sender has thought
        return InvalidRequest(f"{self.path}.{name}", self.value.get(key), expected)

    def child(self, key: str) -> "Fields":
        """A dict under ``key``; an empty one where there is none."""
        value = self.value.get(key)
        return Fields(f"{self.path}.{key}", {} if value is None else value)

    def children(self, key: str) -> Iterator["Fields"]:
        """The dicts in a list under ``key``."""
        value = self.value.get(key)
        if value is None:
            return
        if not isinstance(value, Sequence) or isinstance(value, str | bytes):
            raise self.wrong(key, "a list")
        for place, item in enumerate(value):
            yield Fields(f"{self.path}.{key}[{place}]", item)

    def address(self, key: str) -> str | None:
        """An IP address in its canonical form."""
        text = self.text(key)
        try:
            return None if text is None else str(ipaddress.ip_address(text))
        except ValueError:
            raise self.wrong(key, "an IP address") from None

    def text(self, key: str, limit: int = 255) -> str | None:
        """None where there is none, or it is empty; ``limit`` in characters."""
        value = self.value.get(key)
        if value is None or value == "":
            return None
        if not isinstance(value, str) or len(value) > limit or not value.isprintable():
            raise self.wrong(key, f"printable text of at most {limit} characters")
        return value

    def word(self, key: str) -> str | None:
        """A name that may stand in a log, an option or a file's name."""
        return self._matching(key, _WORD, "a name of letters, digits, '_', '-', '.'")

    def device(self, key: str) -> str | None:
        """A name that the kernel takes for a network device."""
        expected = "a device name of 1 to 15 letters, digits, '_', '-', '.'"
        return self._matching(key, DEVICE_NAME, expected)

    def mac(self, key: str) -> str | None:
        """In lower case."""
        value = self._matching(key, MAC, "a MAC address", lower=True)
        if value is not None and (int(value[:2], 16) & 1 or value == "00:00:00:00:00:00"):
            raise self.wrong(key, "a unicast MAC address")
        return value

    def uuid(self, key: str) -> str | None:
        """In its canonical form."""
        text = self.text(key)
        return None if text is None else canonical(f"{self.path}.{key}", text)

    def pci(self, key: str) -> str | None:
        """In lower case."""
        expected = "a PCI address such as 0000:03:10.1"
        return self._matching(key, _PCI, expected, lower=True)

    def flag(self, key: str, default: bool) -> bool:
        """As ``switch``, with a default."""
        value = self.switch(key)
        return default if value is None else value

    def switch(self, key: str) -> bool | None:
        """JSON booleans, and the strings nova's profiles carry ("true", "False")."""
        value = self.value.get(key)
        if value is None:
            return None
        known = {True: True, False: False, "true": True, "false": False}
        folded = value.lower() if isinstance(value, str) else value
        if not isinstance(folded, bool | str) or folded not in known:
            raise self.wrong(key, "true or false")
        return known[folded]

    def number(self, key: str, least: int, most: int) -> int | None:
        """Integers, also as decimal strings (nova sends ``vlan`` so)."""
        value = self.value.get(key)
        if value is None:
            return None
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value, re.ASCII):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self.wrong(key, f"a number from {least} to {most}")
        return value

    def one_of(self, key: str, choices: Sequence[str]) -> str | None:
        """InvalidRequest names the choices."""
        value = self.text(key)
        if value is not None and value not in choices:
            raise self.wrong(key, "one of " + ", ".join(choices))
        return value

    def _matching(
        self, key: str, pattern: re.Pattern[str], expected: str, lower: bool = False
    ) -> str | None:
        value = self.value.get(key)
        if value is None or value == "":
            return None
        text = value.lower() if lower and isinstance(value, str) else value
        if not isinstance(text, str) or not pattern.match(text):
            raise self.wrong(key, expected)
        return text
