"""No plugin does I/O, nor does anything else in the pure rooms.

import-linter forbids what modules import, also at second hand; here is what it cannot see: that
only known-harmless modules of the standard library are imported, and which builtins are used.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
HARMLESS = {
    "abc", "collections", "dataclasses", "enum", "fnmatch", "functools", "hashlib", "ipaddress",
    "itertools", "json", "math", "operator", "re", "reprlib", "shlex", "string", "struct", "types",
    "typing", "uuid",
}  # fmt: skip
ACTS = {
    "__import__", "breakpoint", "compile", "eval", "exec", "exit", "globals", "input", "open",
    "print", "quit", "vars",
}  # fmt: skip
#: of modules that are harmless else
CHANCE = {"getnode", "uuid1", "uuid4"}
#: answers.py reads off `resources` which kinds there are, pci_names.py which fields;
#: loader.py finds drivers; ip_networks.py packs addresses
ALLOWED = {
    ("answers.py", "vars"),
    ("pci_names.py", "vars"),
    ("loader.py", "importlib.metadata"),
    ("ip_networks.py", "socket"),
}


def _rooms() -> list[str]:
    """As pyproject.toml has them."""
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (pure,) = [c for c in linter["contracts"] if c["id"] == "pure"]
    rooms: list[str] = pure["source_modules"]
    return rooms


def _files() -> Iterator[Path]:
    for room in _rooms():
        path = ROOT / room.replace(".", "/")
        yield from path.rglob("*.py") if path.is_dir() else [path.with_suffix(".py")]


def acts(source: str) -> set[str]:
    """What this source does that a pure function does not."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                found |= {n.name for n in names if not _is_harmless(n.name)}
            case ast.ImportFrom(module=module, level=level):
                found |= {str(module)} if level or not _is_harmless(str(module)) else set()
            case ast.Name(id=name) if name in ACTS:
                found.add(name)
            case ast.Attribute(attr=name) if name in CHANCE:
                found.add(name)
            case ast.Global(names=names):
                found |= {f"global {name}" for name in names}
    return found


def _is_harmless(module: str) -> bool:
    """Our own are import-linter's to judge."""
    top = module.partition(".")[0]
    return top in HARMLESS or top == "vif_agent"


@pytest.mark.parametrize("path", list(_files()), ids=lambda path: str(path.relative_to(ROOT)))
def test_pure_module_does_nothing_but_compute(path: Path) -> None:
    allowed = {name for file, name in ALLOWED if path.name == file}
    assert acts(path.read_text()) - allowed == set()


def test_plugins_are_among_the_pure_rooms() -> None:
    assert "vif_agent.plugins" in _rooms()
    assert set(sys.stdlib_module_names) >= HARMLESS


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("x = open('/etc/passwd')", {"open"}),
        ("import io", {"io"}),
        ("def f():\n    from datetime import datetime", {"datetime"}),
        ("import os.path as p, re", {"os.path"}),
        ("from . import other", {"None"}),
        ("import uuid\nx = uuid.uuid4()", {"uuid4"}),
        ("f = __import__", {"__import__"}),
        ("n = 0\ndef f():\n    global n", {"global n"}),
        ("import requests", {"requests"}),
        ("from vif_agent.vif import Vif\nimport uuid\nuuid.UUID('x')", set()),
    ],
)
def test_what_acts_is_found(source: str, found: set[str]) -> None:
    assert acts(source) == found
