"""setup.cfg's data_files are the one list of what belongs on a host: nothing of it is forgotten."""

from __future__ import annotations

import configparser
from pathlib import Path

ROOT = Path(__file__).parents[2]
_NOT_ON_HOSTS = {"etc/config-generator.conf"}  # of scripts/generate


def test_all_that_is_written_for_hosts_is_laid_there() -> None:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    listed = {name for names in parser["options.data_files"].values() for name in names.split()}
    there = {
        str(path.relative_to(ROOT))
        for room in ("completion", "docs", "etc", "man", "systemd")
        for path in (ROOT / room).rglob("*")
        if path.is_file()
    }
    assert listed - {"CHANGELOG.md", "README.md"} == there - _NOT_ON_HOSTS
