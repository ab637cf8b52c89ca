"""scripts/fuzz in short; and that what it looks for would be seen."""

from __future__ import annotations

import logging
import os
import random
import subprocess
import sys
from pathlib import Path

from fuzz import lane
from fuzz.mutations import Seeds, mutated
from fuzz.witness import Witness
from vif_agent.resources import OtherLink

ROOT = Path(__file__).parent.parent.parent


def test_some_thousand_mutated_casts_and_calls_do_no_harm() -> None:
    """The whole million is scripts/fuzz's own."""
    done = subprocess.run(
        (sys.executable, "-W", "ignore", "-m", "fuzz", "--count", "4000", "--real", "120"),
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    assert "  casts, calls       3600, 400\n" in done.stdout
    assert "  on the real host   120 casts" in done.stdout


def test_mutations_are_the_same_from_the_same_seed() -> None:
    def some(seed: int) -> list[str]:
        dice, seeds = random.Random(seed), Seeds(20)
        return [repr(mutated(seeds.cast(dice), dice)) for _ in range(200)]

    assert some(1) == some(1)
    assert some(1) != some(2)


def test_long_lines_control_characters_and_tracebacks_are_seen() -> None:
    log = logging.getLogger("vif_agent.fuzzed")
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        with Witness() as witness:
            log.info("well")
            assert witness.crashes == []
            log.info("x" * 3000)
            log.info("a\x1b[31mb")
            try:
                raise KeyError("a bug")
            except KeyError:
                log.exception("broke")
    finally:
        logging.getLogger().handlers[:] = handlers
        logging.getLogger().setLevel(level)
    assert [crash.split(":")[1].strip()[:12] for crash in witness.crashes][:2] == [
        "a line of 30", "control char",
    ]  # fmt: skip
    assert "a bug" in witness.crashes[2]


def test_change_of_what_is_not_ours_is_seen(tmp_path: Path) -> None:
    witness = Witness()
    run = lane._Run(tmp_path, witness, "1")
    run._settle(clear=False)
    assert witness.crashes == []
    run._host.add_link(OtherLink(name="eth7", mtu=1400))
    run._settle(clear=True)
    assert "what is not ours was changed: [Key(space='link', name='eth7')]" in witness.crashes[0]
