"""What each part of the day came to, and the tables."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from bench.measure import percentile
from demo import show
from fleet import broker
from fleet.broker import Peaks, Seen
from fleet.region import Region


@dataclass(frozen=True)
class Part:
    """Of the day. ``sending``: seconds until the broker had the last cast; ``ages``: seconds from
    cast to disk; ``received``, ``acknowledged``: of all messages, as the broker has counted."""

    name: str
    seconds: float
    sent: int
    sending: float
    ages: Sequence[float]
    notified: int
    received: int
    acknowledged: int
    agents_cpu: float  # seconds
    broker_cpu: float
    memory: tuple[float, float]  # of the agents, see Agents.memory
    peaks: Peaks
    after: Seen
    remark: str = ""


class Figures:
    def __init__(self, region: Region) -> None:
        self._region = region
        self.parts: list[Part] = []

    @contextmanager
    def part(self, name: str) -> Iterator[list[str]]:
        """Measured until all that was cast in it is on disk; what it yields takes remarks."""
        region, remarks = self._region, list[str]()
        print(f"  {time.strftime('%H:%M:%S')} {name}", end="", flush=True)
        before, sent, cpu = broker.look(region.rabbit), region.senders.sent, region.agents.cpu()
        heard, begin = region.heard.count, time.time()
        with Peaks(region.rabbit) as peaks:
            yield remarks
        end = time.time()
        after, ages = broker.look(region.rabbit), region.ages(begin, end)
        again = after.cpu < before.cpu or after.received < before.received  # another process
        then = Seen(0, 0, 0, 0, {}) if again else before
        self.parts.append(Part(
            name=name,
            seconds=end - begin,
            sent=region.senders.sent - sent,
            sending=max(0.0, region.senders.last - begin),
            ages=ages,
            notified=region.heard.count - heard,
            received=after.received - then.received,
            acknowledged=after.acknowledged - then.acknowledged,
            agents_cpu=region.agents.cpu() - cpu,
            broker_cpu=after.cpu - then.cpu,
            memory=region.agents.memory(),
            peaks=peaks,
            after=after,
            remark="; ".join(remarks),
        ))  # fmt: skip
        print(f": {_line(self.parts[-1])}", flush=True)

    def show(self) -> None:
        show.heading("What the hosts had of it")
        show.table(
            ("", "s", "casts", "sent/s", "stored/s", "acked/s", "p50 ms", "p99 ms", "notified"),
            [_casts(part) for part in self.parts],
        )
        for part in self.parts:
            if part.remark:
                show.note(f"{part.name}: {part.remark}.")
        show.note(
            "sent: the broker has confirmed it; stored: on the host's disk, p50 and p99 from the "
            "cast until then; acked: acknowledged to the broker, as that has counted."
        )
        show.heading("What it took of the broker")
        show.table(
            ("", "msgs/s", "CPU %", "MB", "most MB", "conns", "channels", "queues", "fds", "erlang",
             "new/s"),
            [_of_broker(part) for part in self.parts],
        )  # fmt: skip
        show.note(
            "Messages that it was given; CPU, of one core; memory (RSS) at the end, and the most "
            "at once; connections, channels, queues, file descriptors and Erlang processes at the "
            "end; connections that it accepted in the worst second."
        )
        show.heading("What it took of the agents")
        show.table(
            ("", "CPU %", "of each, ms/s", "MB together", "MB of its own each"),
            [self._of_agents(part) for part in self.parts],
        )
        show.note("CPU of all, of one core. Memory: all imports are shared here, as forked.")

    def show_memory(self) -> None:
        """By kind, of the broker, after the last part."""
        after = self.parts[-1].after
        kinds = ("connection_readers", "connection_writers", "connection_channels",
                 "connection_other", "queue_procs", "quorum_queue_procs", "metrics", "mnesia",
                 "other_ets", "other_proc", "binary", "code", "reserved_unallocated")  # fmt: skip
        show.heading("The broker's memory by kind, after the last of these")
        count = len(self._region.hosts)
        rows = [("used, by its own measure for the alarm", f"{after['used'] / 1e6:.1f}", "")]
        rows += [(kind, f"{after[kind] / 1e6:.1f}", f"{after[kind] / 1e3 / count:.1f}")
                for kind in kinds]  # fmt: skip
        show.table(("", "MB", "KB for a host"), rows)

    def _of_agents(self, part: Part) -> tuple[str, ...]:
        each = part.agents_cpu / part.seconds / len(self._region.hosts) * 1000
        together, own = part.memory
        return (part.name, _share(part.agents_cpu, part), f"{each:.2f}", f"{together:.0f}",
                f"{own:.1f}")  # fmt: skip


def _line(part: Part) -> str:
    """What is in hand when the day is broken off."""
    return (
        f"{part.seconds:.1f} s, {part.sent} casts, {len(part.ages)} stored; broker "
        f"{part.broker_cpu:.1f} s of CPU, {part.after.resident:.0f} MB, "
        f"{part.after['connections']} connections, {part.after.descriptors} descriptors, "
        f"{part.peaks.accepted} accepted in a second; agents {part.agents_cpu:.1f} s of CPU; "
        f"{part.remark or '-'}"
    )


def _of_broker(part: Part) -> tuple[str, ...]:
    after = part.after
    return (
        part.name, f"{part.received / part.seconds:.0f}", _share(part.broker_cpu, part),
        f"{after.resident:.0f}", f"{part.peaks.resident:.0f}", str(after["connections"]),
        str(after["channels"]), str(after["queues"]), str(after.descriptors),
        str(after["erlang_processes"]), str(part.peaks.accepted),
    )  # fmt: skip


def _casts(part: Part) -> tuple[str, ...]:
    sending = f"{part.sent / part.sending:.0f}" if part.sent and part.sending else "-"
    stored = f"{len(part.ages) / part.seconds:.0f}" if part.ages else "-"
    ages = [f"{percentile(part.ages, q):.0f}" if part.ages else "-" for q in (50, 99)]
    return (
        part.name, f"{part.seconds:.1f}", str(part.sent), sending, stored,
        f"{part.acknowledged / part.seconds:.0f}", *ages, str(part.notified),
    )  # fmt: skip


def _share(cpu: float, part: Part) -> str:
    return f"{cpu / part.seconds * 100:.1f}"
