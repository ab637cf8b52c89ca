"""Prose with gaps, ``@NAME@`` on a line of its own, beside the module that fills them."""

from __future__ import annotations

from pathlib import Path


def filled(name: str, **parts: str) -> str:
    """``name``.in with its gaps filled; KeyError where no part is given for one."""
    lines = (Path(__file__).parent / f"{name}.in").read_text().splitlines()
    return "".join(_line(line, parts) for line in lines)


def _line(line: str, parts: dict[str, str]) -> str:
    if line.startswith("@") and line.endswith("@") and line != "@":
        return parts[line.strip("@")].rstrip("\n") + "\n"
    return line + "\n"
