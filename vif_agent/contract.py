"""The version of the contract with other packages, and which versions the agent speaks.

What the contract says of plugins stands in ``vif_agent.plugins.base``, of type drivers in
``vif_agent.network_types.base``.
"""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Self, TypeVar

from vif_agent.errors import VifAgentError, brief

CONTRACT = "1.0"

#: the majors that this agent speaks, each with its newest minor version
SPOKEN: Mapping[int, int] = {1: 0}
#: the majors that it will not speak any longer, from which release of the agent on
LEAVING: Mapping[int, str] = {}


class Extension:
    """What a package may add to the agent, by an entry point.

    ``contract``: the version that its author wrote it for, such as "1.0"; what is of the agent's
    own package is of the agent's version. ``aliases``, of plugins: former names of the entry point,
    each with the release of its package in which that goes. They work like the name, with a
    warning.
    """

    contract: ClassVar[str] = ""
    aliases: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def from_conf(cls, conf: Any) -> Self:
        """Make it from oslo.config's values; the default has no options.

        ``conf`` has the agent's options; ``conf.register_opts(...)`` adds its own.
        """
        return cls()


_E = TypeVar("_E", bound=Extension)


class NoGood(VifAgentError):
    """What an entry point names cannot be used."""


def make(kind: object, value: str, conf: Any, own: bool, base: type[_E]) -> _E:
    """Of ``kind``, which the entry point's ``value`` names, with its configuration; NoGood, or what
    its ``from_conf`` raises."""
    if not (isinstance(kind, type) and issubclass(kind, base)):
        raise NoGood(f"{value} is no subclass of {base.__module__}.{base.__qualname__}")
    if reason := why_not(kind.contract or (CONTRACT if own else "")):
        raise NoGood(reason)
    _check_aliases(kind.aliases)
    made = kind.from_conf(conf)
    if not isinstance(made, base):
        raise NoGood(f"{value}.from_conf answered {brief(made)}")
    return made


def _check_aliases(aliases: object) -> None:
    if not isinstance(aliases, dict) or not all(
        isinstance(word, str) for pair in aliases.items() for word in pair
    ):
        raise NoGood(f"aliases: expected {{former name: release}}, got {brief(aliases)}")


def why_not(contract: object, spoken: Mapping[int, int] = SPOKEN) -> str:
    """Why plugins of this contract cannot be asked; empty if they can."""
    version = re.fullmatch(r"(\d{1,4})\.(\d{1,4})", contract) if isinstance(contract, str) else None
    if version is None:
        return f"contract: expected a version such as {CONTRACT!r}, got {brief(contract)}"
    major, minor = map(int, version.groups())
    if minor <= spoken.get(major, -1):
        return ""
    known = ", ".join(f"{major}.{minor}" for major in spoken for minor in range(spoken[major] + 1))
    return f"contract {contract} is not known to this agent, which speaks {known}"


def leaves_in(contract: str, leaving: Mapping[int, str] = LEAVING) -> str:
    """The release of the agent that will not speak this contract; empty if none is planned."""
    return leaving.get(int(contract.partition(".")[0]), "")
