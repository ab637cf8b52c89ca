"""No command stands in docs/neutron.md that no test types."""

from __future__ import annotations

from pathlib import Path

from tests.neutron_server import test_documented
from tests.support.documented import commands

ROOT = Path(__file__).parent.parent.parent


def test_each_command_is_typed_by_a_test() -> None:
    typed = {*test_documented.CHECKS, *test_documented.ELSEWHERE}
    assert sorted(typed | test_documented.NOT_HERE) == sorted(commands(test_documented.DOCUMENT))


def test_of_those_typed_elsewhere_the_test_is_there() -> None:
    for test in test_documented.ELSEWHERE.values():
        file, _, name = test.partition("::")
        assert f"def {name}(" in (ROOT / file).read_text()


def test_commands_are_found_in_blocks_and_in_text(tmp_path: Path) -> None:
    document = tmp_path / "some.md"
    document.write_text(
        "Type `openstack a b`, not `openstack`:\n\n    pip install x  # in a tree\n    x = 1\n\n"
        "```console\n$ vif-agentctl list\n```\n\n| `systemctl stop y` | `ip = 1` |\n"
    )
    assert commands(document) == [
        "pip install x",
        "vif-agentctl list",
        "openstack a b",
        "systemctl stop y",
    ]
