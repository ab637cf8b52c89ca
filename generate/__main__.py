"""Writes each file anew whose text has changed; with --check it tells which are stale, and how."""

from __future__ import annotations

import argparse
import difflib
import sys
import warnings
from collections.abc import Iterator

from generate.files import FILES, ROOT


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; status 1 if stale")
    check = parser.parse_args().check
    warnings.simplefilter("ignore")  # of eventlet, which oslo.messaging's options come with
    stale = 0
    for name, text in FILES.items():
        path = ROOT / name
        old, new = path.read_text() if path.exists() else "", text()
        if old == new:
            continue
        stale += 1
        if check:
            sys.stdout.writelines(_difference(name, old, new))
            continue
        path.parent.mkdir(exist_ok=True)
        path.write_text(new)
        print(f"wrote {name}")
    return int(check and stale > 0)


def _difference(name: str, old: str, new: str) -> Iterator[str]:
    before, after = (text.splitlines(keepends=True) for text in (old, new))
    yield from difflib.unified_diff(before, after, name, "as it must be")
    yield f"{name} is stale; to write it anew: scripts/generate\n"


if __name__ == "__main__":
    sys.exit(main())
