"""Others undo the guards of ports, in a table that nobody holds: they are put back at once."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.casting import CONTEXT, Site, Vif, numbered, wait_for
from tests.support.guarded import holder
from tests.support.operating import ctl
from tests.support.others_tables import OthersTables
from vif_agent.helper import guards
from vif_agent.host.nft import reading
from vif_agent.host.nft.netlink import NftSocket
from vif_agent.host.nft.table import State
from vif_agent.testing import processes
from vif_agent.testing.daemon import HOST
from vif_agent.testing.host import ScratchHost

UNHELD = (sys.executable, "-m", "tests.support.unheld_agent")
TABLE = "bridge vif_agent"
DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "firewall.md"
BY_NFT = re.compile(r"guard .*: enforced False -> True, by nft \(pid \d+\)")
UNDONE = re.compile(r"Guards of ports were undone by nft \(pid \d+\)")


@pytest.fixture(scope="module")
def site(scratch_with_bus: ScratchHost) -> Iterator[Site]:
    if missing := guards.lacks():
        pytest.skip(f"the kernel cannot guard ports: {missing}")
    if not shutil.which("nft"):
        pytest.skip("nft is not installed (Debian: nftables)")
    options: dict[str, dict[str, object]] = {
        "firewall": {"driver": "nftables"},
        "vif_agent": {"check_interval": 0},
    }
    with Site(scratch_with_bus, "threading", options, argv=UNHELD) as running:
        yield running


@pytest.fixture
def vifs(site: Site, payload: Callable[[str], Vif]) -> Iterator[list[Vif]]:
    plugged = [numbered(payload("bridge"), n) for n in (1, 2)]
    for vif in plugged:
        assert site.plug(vif)["state"] == "ready"
    yield plugged
    site.unplug_all()


def nft(*words: str) -> str:
    return processes.run(("nft", *words), os.environ)


def table() -> State:
    with NftSocket() as netlink:
        return reading.read(netlink)[0]


def stands(as_it_was: State) -> bool:
    """All that is ours of it. LookupError: what differs."""
    if found := list(differences(as_it_was, table())):
        raise LookupError(*found)
    return True


def differences(before: State, now: State) -> Iterator[str]:
    for family in before.needed:
        if before.fixed[family] != (found := now.fixed.get(family)):
            yield f"of family {family} there was {before.fixed[family]}, and is {found}"
    for device in before.ports.keys() | now.ports.keys():
        was, has = (state.ports.get(device, frozenset()) for state in (before, now))
        if was != has:
            yield f"{device} lacks {sorted(was - has)}, and has {sorted(has - was)} more"


@pytest.mark.parametrize(
    "words",
    [
        "flush ruleset",
        f"delete table {TABLE}",
        f"flush chain {TABLE} guard",
        f"flush set {TABLE} guarded",
        f"add element {TABLE} any4 {{ DEVICE . fa:16:3e:00:00:09 }}",
    ],
)
def test_what_others_undo_is_back_and_it_is_told_who_it_was(
    site: Site, vifs: list[Vif], words: str
) -> None:
    before, said = table(), len(site.daemon.log())
    assert before.ports.keys() == {vif["devname"] for vif in vifs}
    assert holder() == 0
    words = words.replace("DEVICE", vifs[0]["devname"])
    nft(words)
    wait_for(lambda: stands(before), f"the guards after {words}")
    wait_for(lambda: UNDONE.search(site.daemon.log()[said:]), "who it was")
    wait_for(lambda: _repaired(site.daemon.log()[said:], vifs[0]), "what was done about it")
    wait_for(lambda: ctl(site.daemon.config_file, "firewall").code == 0, "the end of it")
    events = site.api.explain_vif(CONTEXT, HOST, vifs[0]["id"])["events"]
    drift = [event["text"] for event in events if event["what"] == "drift"]
    assert BY_NFT.fullmatch(drift[-1]), drift


def test_tables_of_others_that_are_called_as_ours_are_none_of_ours(
    site: Site, vifs: list[Vif]
) -> None:
    """They go with the ruleset, and do not come back."""
    with contextlib.closing(OthersTables()):
        before = table()
        assert "table inet vif_agent" in nft("list", "tables")
        nft("flush ruleset")
        wait_for(lambda: stands(before), "the guards")
        assert nft("list", "tables").split() == ["table", *TABLE.split()]


def _repaired(log: str, vif: Vif) -> bool:
    return any("repaired" in line and vif["id"] in line for line in log.splitlines())


def test_ruleset_is_saved_and_loaded_again_as_the_document_says(
    site: Site, vifs: list[Vif], tmp_path: Path
) -> None:
    """With our table in it nothing of it is loaded."""
    before, saved, all_of_it = table(), tmp_path / "nftables.conf", tmp_path / "all"
    save, clean = recipes()
    nft("add", "table", "inet", "own")
    try:
        all_of_it.write_text(nft("list", "ruleset"))
        sh(save.replace("/etc/nftables.conf", str(saved)))
        nft("delete", "table", "inet", "own")
        with pytest.raises(RuntimeError):
            nft("-f", str(all_of_it))
        assert "own" not in nft("list", "tables")
        for file in (saved, all_of_it):
            nft("-f", str(file))
            assert "own" in nft("list", "tables")
            wait_for(lambda: stands(before), "the guards")
            sh(clean.replace("FILE", str(all_of_it)))
    finally:
        nft("delete", "table", "inet", "own")


def recipes() -> tuple[str, str]:
    """How to save what is others', and how to take ours out of what was saved."""
    (save,) = re.findall(r"^    (\(echo flush ruleset.*\n.*)$", DOCUMENT.read_text(), re.MULTILINE)
    (clean,) = re.findall(r"`(sed -i [^`]*)`", DOCUMENT.read_text())
    return save, clean


def sh(words: str) -> None:
    processes.run(("sh", "-c", words), os.environ)


def test_guards_stand_again_when_agent_and_helper_die_amid_a_fight(
    site: Site, vifs: list[Vif]
) -> None:
    """Killed at whatever line, the next one has no memory of what was there."""
    before, over = table(), threading.Event()
    flushing = threading.Thread(target=_flush_until, args=(over,))
    flushing.start()
    try:
        for _ in range(2):
            site.daemon.kill()
            site.daemon.start()
        helper = site.daemon.helper_pid()
        os.kill(helper, 9)
        wait_for(lambda: not site.daemon.alive(), "the agent's end")
        site.daemon.start()
    finally:
        over.set()
        flushing.join()
    wait_for(lambda: stands(before), "the guards")
    nft("flush ruleset")
    wait_for(lambda: stands(before), "the guards, again")


def _flush_until(over: threading.Event) -> None:
    while not over.wait(0.02):
        nft("flush ruleset")
