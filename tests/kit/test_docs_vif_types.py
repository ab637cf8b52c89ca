"""docs/vif-types.md: its dry runs are the true ones, and its drawings have their names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.casting import Site
from tests.support.dry_runs import DryRuns, vif_of
from tests.support.examples import PAYLOADS
from tests.support.operating import ctl
from vif_agent.testing.host import ScratchHost

DOC = Path(__file__).parent.parent.parent / "docs" / "vif-types.md"
_COMMAND = re.compile(r"(?m)^# vif-agentctl plan (plug|unplug) examples/payloads/(\S+)\.json\n")
_OPTION = re.compile(r"(?m)^# with \[(\w+)\] (.*)$")
_OF_A_PORT = re.compile(r"\b(?:tap|qbr|qvb|qvo|brq|vhu|pbp?|ibp)[0-9a-f]{8}[0-9a-f-]*")


class Section(NamedTuple):
    title: str
    text: str

    def blocks(self, language: str) -> list[str]:
        return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", self.text)


SECTIONS = [
    section
    for title, text in re.findall(r"(?ms)^## (.*?)\n(.*?)(?=^## |\Z)", DOC.read_text())
    if (section := Section(title, text)).blocks("console")
]
RUNS = [(section, block) for section in SECTIONS for block in section.blocks("console")]


def said(block: str) -> Iterator[tuple[str, str, str]]:
    """The verb, the payload, what is printed."""
    _, *parts = _COMMAND.split(block)
    return zip(parts[::3], parts[1::3], parts[2::3], strict=True)


@pytest.mark.parametrize(("section", "block"), RUNS, ids=lambda x: getattr(x, "title", ""))
def test_dry_run_is_the_true_one(section: Section, block: str, tmp_path: Path) -> None:
    options = "\n".join(f"[{group}]\n{option}" for group, option in _OPTION.findall(block))
    runs = DryRuns(tmp_path, options)
    for verb, payload, printed in said(block):
        of = {"plug": runs.of_plug, "unplug": runs.of_unplug}[verb]
        assert of(payload) == printed.rstrip("\n")
    runs.close()


@pytest.fixture(scope="module")
def site(scratch_with_bus: ScratchHost) -> Iterator[Site]:
    with Site(scratch_with_bus, "threading") as running:
        yield running


PLAIN = [run for run in RUNS if not _OPTION.search(run[1])]


@pytest.mark.parametrize(("section", "block"), PLAIN, ids=lambda x: getattr(x, "title", ""))
def test_agent_on_a_real_host_says_the_same(section: Section, block: str, site: Site) -> None:
    for verb, payload, printed in said(block):
        if verb == "unplug":
            site.plug(vif_of(payload))
        file = str(PAYLOADS / f"{payload}.json")
        answer = ctl(site.daemon.config_file, "plan", verb, file)
        assert (answer.code, answer.out) == (0, printed), answer
    site.unplug_all()


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.title)
def test_drawing_has_the_names_of_the_plan_and_no_others(section: Section) -> None:
    runs = [run for block in section.blocks("console") for run in said(block)]
    planned = {line.split()[3].rstrip(":") for _, _, text in runs for line in text.splitlines()}
    drawing = "\n".join(section.blocks("text"))
    assert [name for name in planned if name not in drawing] == []
    of_senders = {vif_of(payload)["devname"] for _, payload, _ in runs}
    assert set(_OF_A_PORT.findall(drawing)) <= planned | of_senders


def test_every_kind_of_payload_has_a_row_in_the_table() -> None:
    table = DOC.read_text().partition("## All vif_types\n")[2].partition("\n## ")[0]
    types = {vif_of(path.stem)["type"] for path in PAYLOADS.glob("*.json")}
    assert [kind for kind in types if f"`{kind}`" not in table] == []
