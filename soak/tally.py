"""What is counted, and the table at the end."""

from __future__ import annotations

import threading
import time
from collections import Counter

import oslo_messaging

from demo import show
from soak.memory import Sample
from tests.support.casting import CONTEXT, Site
from vif_agent.testing.daemon import HOST

POLL_SECONDS = 2.0
PROGRESS_SECONDS = 30.0
REPAIRED = "vif.repair.end"


class Tally:
    """``told`` by agent process: reconciles and repairs when it was last asked."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.casts: Counter[str] = Counter()
        self.spoils: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.told: dict[int, tuple[int, int]] = {}
        self.audits = 0
        self.resent = 0
        self.mended = 0
        self.lost: list[str] = []
        self.leaked: list[str] = []
        self.wrong: list[str] = []
        self.samples: list[Sample] = []

    @property
    def minutes(self) -> float:
        return (time.monotonic() - self.began) / 60

    @property
    def reconciles(self) -> int:
        return sum(rounds for rounds, _ in list(self.told.values()))

    @property
    def repairs(self) -> int:
        return sum(repairs for _, repairs in list(self.told.values()))

    @property
    def good(self) -> bool:
        return not (self.lost or self.leaked or self.wrong)

    def line(self) -> str:
        plugs, unplugs = self.casts["plug"], self.casts["unplug"]
        return (
            f"{self.minutes:5.1f} min: {plugs} plugs, {unplugs} unplugs, {self.casts['sync']} syncs"
            f", {self.reconciles} reconciles, {self.repairs} repairs, {self.faults.total()} faults"
            f", {self.audits} audits, lost {len(self.lost)}, leaked {len(self.leaked)}"
        )


class Reporter:
    """Asks the agent for its counts every other second, and prints a line every half minute.

    What an agent did after it was last asked dies with it: its counts are lower bounds.
    """

    def __init__(self, site: Site, tally: Tally) -> None:
        self._site, self._tally = site, tally
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reporter", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        due = time.monotonic() + PROGRESS_SECONDS
        while not self._stopping.wait(POLL_SECONDS):
            note_counts(self._site, self._tally)
            if time.monotonic() >= due:
                due += PROGRESS_SECONDS
                print(f"  {self._tally.line()}", flush=True)


def note_counts(site: Site, tally: Tally) -> None:
    """Nothing when the agent or the broker is away."""
    process = site.daemon.process
    try:
        status = site.api.get_status(CONTEXT, HOST)
    except oslo_messaging.MessagingException:
        return
    if process and process is site.daemon.process:
        tally.told[process.pid] = (status["rounds"], status["told"].get(REPAIRED, 0))


def print_table(tally: Tally, log: str) -> None:
    show.heading("What it came to")
    casts = tally.casts
    rows = [
        ("minutes", f"{tally.minutes:.1f}"),
        ("casts", f"{sum(casts.values()) - casts['stale']}: {_listed(casts)} (stale ones are among "
                  f"plugs and unplugs), refused {log.count(' refused port=')}"),
        ("reconciles", f"{tally.reconciles}, of {len(tally.told)} agent processes"),
        ("spoilt by hand", f"{tally.spoils.total()}: {_listed(tally.spoils)}"),
        ("repairs", str(tally.repairs)),
        ("faults", f"{tally.faults.total()}: {_listed(tally.faults)}"),
        ("full sets re-sent", f"{tally.resent} after a broker was killed; {tally.mended} of them "
                              "mended something"),
        ("tracebacks", f"{log.count('Traceback (most recent call last)')} in the agents' log"),
        ("audits", str(tally.audits)),
        ("lost", str(len(tally.lost))),
        ("leaked", str(len(tally.leaked))),
    ]  # fmt: skip
    show.table(("", ""), rows)
    for complaint in (*tally.lost, *tally.leaked, *tally.wrong):
        show.note(f"- {complaint}")


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {n}" for name, n in counts.most_common()) or "none"
