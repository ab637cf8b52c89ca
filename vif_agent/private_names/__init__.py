"""The one room for what libraries do not promise: names with an underscore, and undocumented ones.

A module for each library wraps what is used of it, and says why nothing else does. ``table`` lists
all of it; the agent looks at each name when it starts, so that a library that has changed ends it
with one line, instead of doing harm later. ``tests`` hold that no such name stands elsewhere.
"""

import re
from collections.abc import Iterable, Mapping
from importlib import metadata

from vif_agent.private_names.looks import Look


def trouble(table: Mapping[str, Iterable[Look]]) -> str:
    """One line on the first name that is not as it was; empty when all are.

    ``table``: the looks to take, by the library's name as pip knows it.
    """
    for library, looks in table.items():
        for look in looks:
            if wrong := look.trouble():
                return f"{library} {_version(library)}: {wrong}; {_tested(library)}"
    return ""


def _version(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return "(not installed)"


def _tested(library: str) -> str:
    """What setup.cfg says, as the installed package has it."""
    for requirement in metadata.requires("vif-agent") or ():
        found = re.match(r"([A-Za-z0-9._-]+)\s*([^;]*)", requirement)
        if found and _plain(found[1]) == _plain(library):
            return f"this vif-agent is tested with {library} {found[2].strip() or 'of any version'}"
    return f"this vif-agent names no version of {library}"


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
