"""What a process takes: memory, file descriptors, threads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from demo import show
from tests.support.casting import Site


@dataclass(frozen=True)
class Use:
    """Memory in KiB. ``own``: what would be free if the process ended (USS); ``share``: its own
    and its share of what it has in common with others (PSS)."""

    pid: int
    resident: int
    own: int
    share: int
    descriptors: int
    threads: int

    @property
    def cells(self) -> tuple[str, ...]:
        memory = (self.resident, self.own, self.share)
        return (*(f"{kib / 1024:.1f}" for kib in memory), str(self.descriptors), str(self.threads))


@dataclass(frozen=True)
class Sample:
    """The agent and its helper at one moment."""

    minutes: float
    agent: Use
    helper: Use


def use(pid: int) -> Use:
    proc = Path(f"/proc/{pid}")
    rows = [line.split() for line in (proc / "smaps_rollup").read_text().splitlines()[1:]]
    kib = {row[0].rstrip(":"): int(row[1]) for row in rows}
    return Use(
        pid=pid,
        resident=kib["Rss"],
        own=kib["Private_Clean"] + kib["Private_Dirty"],
        share=kib["Pss"],
        descriptors=len(list((proc / "fd").iterdir())),
        threads=len(list((proc / "task").iterdir())),
    )


def sample(site: Site, minutes: float) -> Sample:
    assert site.daemon.process
    return Sample(minutes, use(site.daemon.process.pid), use(site.daemon.helper_pid()))


def print_samples(samples: list[Sample]) -> None:
    """``samples``: of the calm part, the first of them after its warm-up."""
    start, end = samples[0], samples[-1]
    processes = {s.agent.pid for s in samples}
    show.note(
        f"Memory (MiB) of the agent that lived to the end and of its helper. Start: after a "
        f"warm-up of calm load, {start.minutes:.1f} min into the run. End: at {end.minutes:.1f} "
        f"min. {len(processes) - 1} restarts between."
    )
    rows = [
        (f"{who} {when}", *getattr(s, who).cells)
        for who in ("agent", "helper")
        for when, s in (("start", start), ("end", end))
    ]
    show.table(("", "RSS", "USS", "PSS", "fds", "threads"), rows)
    for who in ("agent", "helper"):
        course = " ".join(f"{getattr(s, who).own / 1024:.1f}" for s in samples)
        grown = (getattr(end, who).own - getattr(start, who).own) / 1024
        show.note(f"{who}: USS has grown by {grown:+.1f} MiB; at the audits: {course}")
