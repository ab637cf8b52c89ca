"""setup.cfg's data_files are the one list of what belongs on a host: nothing of it is forgotten."""

from __future__ import annotations

import configparser
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

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


def _patterns(file: str) -> Sequence[str]:
    text = (ROOT / "systemd" / file).read_text()
    line = re.search(r"^(?:Name|OriginalName|unmanaged-devices\+)=(.*)$", text, re.MULTILINE)
    assert line
    return line[1].replace("interface-name:", "").replace(";", " ").split()


@pytest.mark.parametrize(
    "file",
    [
        "network/00-vif-agent.link",
        "network/00-vif-agent.network",
        "NetworkManager/conf.d/vif-agent.conf",
    ],
)
def test_files_for_others_name_our_devices_and_no_operators(file: str) -> None:
    def named(name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in _patterns(file))

    identified = [f"{prefix}5e4179f1-1b" for prefix in ("tap", "qbr", "qvb", "qvo", "brq")]
    assert all(map(named, [*identified, "vxlan-1", "vxlan-907", "vxlan-16777215"]))
    assert not any(
        map(named, ["tap0", "tap-vpn", "brq", "qbr1", "vxlan-storage", "vxlan-", "eth0"])
    )


def test_network_managers_patterns_have_no_brackets() -> None:
    """It knows * and ? alone, and takes a bracket for a letter of the name."""
    assert "[" not in "".join(_patterns("NetworkManager/conf.d/vif-agent.conf"))
