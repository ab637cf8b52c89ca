"""docs/plugins.md, block by block, as a reader follows it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from oslo_config import cfg

from tests.support.casting import Site
from tests.support.environment import Environment
from vif_agent import config
from vif_agent.config import checks
from vif_agent.testing.host import ScratchHost

DOC = Path(__file__).parent.parent.parent / "docs" / "plugins.md"


class Block(NamedTuple):
    """``file``: what it is to be saved as, if anything."""

    language: str
    file: str
    text: str

    @property
    def title(self) -> str:
        return self.file or self.text.splitlines()[0][:40]


BLOCKS = [
    Block(*found)
    for found in re.findall(
        r"^```(\w+) ?(\S*)\n(.*?)^```$", DOC.read_text(), re.MULTILINE | re.DOTALL
    )
]
SNIPPETS = [block for block in BLOCKS if block.language == "python" and not block.file]


@pytest.fixture
def site(tmp_path: Path, scratch_with_bus: ScratchHost) -> Iterator[tuple[Site, Environment]]:
    environment = Environment(tmp_path)
    with Site(scratch_with_bus, "threading", argv=environment.agent) as running:
        environment.answer_by(running.daemon.config_file)
        yield running, environment


def test_reader_gets_from_nothing_to_a_tested_plugin(
    site: tuple[Site, Environment], tmp_path: Path
) -> None:
    running, environment = site
    directory = tmp_path / "lan-vif"
    directory.mkdir()
    answer: dict[str, str] = {}
    for block in BLOCKS:
        if block.file and block.language != "ini":
            (directory / block.file).write_text(block.text)
        for command in block.text.splitlines() if block.language == "sh" else ():
            if command == "systemctl restart vif-agent":
                assert running.daemon.stop() == 0
                running.daemon.start()
            else:
                answer[command] = environment.run(*command.split(), cwd=directory)
    tested = answer["python -m pytest"]
    assert re.search(r"\d+ passed", tested)
    assert "skipped" not in tested
    assert "1 passed" in answer["python -m pytest test_host.py"]
    (line,) = [x for x in answer["vif-agentctl plugin list"].splitlines() if "| lan " in x]
    assert "lan-vif 1.0" in line
    assert answer["vif-agentctl plan plug payloads/lan.json"].splitlines() == [
        "create: make bridge lanc0ffee00-12",
        "create: make tun lan7e0c5a52-64",
    ]
    assert (
        running.plug(json.loads((directory / "payloads" / "lan.json").read_text()))["state"]
        == "ready"
    )


@pytest.mark.parametrize("block", SNIPPETS, ids=lambda block: block.title)
def test_snippet_runs(block: Block) -> None:
    exec(compile(block.text, str(DOC), "exec"), {})


def test_every_block_is_run_here() -> None:
    languages = {block.language for block in BLOCKS}
    assert languages == {"sh", "toml", "python", "json", "ini"}
    assert len(BLOCKS) * 2 == DOC.read_text().count("```")


def test_configuration_is_one(tmp_path: Path) -> None:
    (block,) = [block for block in BLOCKS if block.language == "ini"]
    path = tmp_path / block.file
    path.write_text(block.text)
    conf = cfg.ConfigOpts()
    config.register(conf)
    conf([f"--config-file={path}"])
    checks.check(conf)
    assert conf.plugins.override == ["ovs:my_ovs"]
