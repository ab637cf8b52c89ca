"""What scripts/generate writes is fresh, and says all that it must."""

from __future__ import annotations

import re
from importlib import metadata

import pytest

from generate.files import FILES, ROOT
from vif_agent import config
from vif_agent.nova import options as nova

#: whose words are in these files; with another release they would have others
_OTHERS = {
    "etc/vif-agent.conf": ("oslo.config", "oslo.log", "oslo.messaging"),
}
CONFIGURATION = "docs/configuration.md"


def pinned(package: str) -> str:
    found = re.search(
        rf"^{re.escape(package)}==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE
    )
    assert found, package
    return found[1]


@pytest.mark.parametrize("name", FILES)
def test_is_fresh(name: str) -> None:
    for package in _OTHERS.get(name, ()):
        if (version := metadata.version(package)) != pinned(package):
            pytest.skip(f"{name} has words of {package} {pinned(package)}, and here is {version}")
    assert (ROOT / name).read_text() == FILES[name](), "stale; write it anew: scripts/generate"


def test_every_option_has_a_place_and_words() -> None:
    groups = [("DEFAULT", config.DEFAULT), *((g.name, o) for g, o in config.GROUPS)]
    text = (ROOT / CONFIGURATION).read_text()
    for group, options in [*groups, (nova.GROUP, nova.OPTIONS)]:
        for option in options:
            assert text.count(f"\n### [{group}] {option.name}\n") == 1
            assert (option.help or "").endswith("."), f"[{group}] {option.name}"
