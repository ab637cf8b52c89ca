"""Guards beside others who change nftables, too: what is read, told, and tried again."""

from __future__ import annotations

import dataclasses
import errno
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.support.real_host import OTHER, PORT
from vif_agent.errors import NotConfigured, NotYet
from vif_agent.helper.codec import Plain, to_plain
from vif_agent.helper.orders import SetGuard
from vif_agent.host.guarding import Guarding
from vif_agent.host.guards import Guards
from vif_agent.plan.steps import MAKE, REMOVE, Step
from vif_agent.resources import GUARD, Guard, Key

MAC = "fa:16:3e:00:00:01"


def guard(name: str, *networks: str) -> Guard:
    return Guard(name=name, macs=(MAC,), pairs=tuple((MAC, network) for network in networks))


def steps(*guards: Guard, verb: str = MAKE) -> list[Step]:
    return [Step(verb, one, PORT, (PORT,)) for one in guards]


class Kernel:
    """``refuses``: errnos of the next writes; ``sick``: devices whose guard it does not take."""

    def __init__(self) -> None:
        self.there: dict[str, SetGuard] = {}
        self.known: dict[str, SetGuard] = {}
        self.enforced = False
        self.generation = 7
        self.reads = self.writes = 0
        self.refuses: list[int] = []
        self.sick: set[str] = set()
        self.error: OSError | None = None

    def lacks(self) -> str:
        return "Operation not supported" if self.error else ""

    def read(self) -> Mapping[str, Any]:
        self.reads += 1
        if self.error:
            raise self.error
        guards = {name: to_plain(order) for name, order in self.there.items()}
        return {"enforced": self.enforced, "generation": self.generation, "guards": guards}

    def restore(self) -> Mapping[str, Any]:
        undone = [name for name in self.known if self.there.get(name) != self.known[name]]
        if undone:
            self.there, self.enforced = {**self.there, **self.known}, True
            self.generation += 1
        return {**self.read(), "undone": undone}

    def write(
        self, generation: int, put: Sequence[Plain], remove: Sequence[str]
    ) -> tuple[int, str]:
        self.writes += 1
        if self.refuses:
            return self.refuses.pop(0), "no"
        if generation != self.generation:
            return errno.ERESTART, "stale"
        if self.sick & {fields["name"] for _, fields in put}:
            return errno.EINVAL, "Invalid argument"
        self.there |= {fields["name"]: SetGuard(**fields) for _, fields in put}
        for name in remove:
            self.there.pop(name, None)
        self.generation += 1
        self.enforced = True
        self.known = dict(self.there)
        return 0, ""

    def drops(self) -> Mapping[str, int]:
        if self.error:
            raise self.error
        return {"ip": 3}

    def port_drops(self) -> Mapping[str, Mapping[str, int]]:
        return {"tap-a": self.drops()}

    def flush(self) -> None:
        self.there, self.enforced = {}, False
        self.generation += 1


@pytest.fixture
def kernel() -> Kernel:
    return Kernel()


@pytest.fixture
def told() -> list[frozenset[Key] | None]:
    return []


@pytest.fixture
def guards(kernel: Kernel, told: list[frozenset[Key] | None]) -> Guards:
    made = Guards(Guarding(kernel, needed=True), told.append)
    made.watched = True
    return made


A, B = guard("tap-a", "10.0.0.1/32"), guard("tap-b", "10.0.0.2/32", "fe80::1/128")
KEYS = frozenset({A.key, B.key})
KEYS_NAMES = {key.name for key in KEYS}


def test_what_was_written_is_read_back_without_asking(guards: Guards, kernel: Kernel) -> None:
    assert guards.read() == {}
    assert guards.write(steps(A, B)) == {}
    reads = kernel.reads
    assert {key: (f.resource, f.owner) for key, f in guards.read({"tap-a", "tap-b"}).items()} == {
        A.key: (A, PORT),
        B.key: (B, PORT),
    }
    assert guards.read({"tap-a", "tap-c"}).keys() == {A.key}
    assert guards.write(steps(A, verb=REMOVE)) == {}
    assert guards.read({"tap-a", "tap-b"}).keys() == {B.key}
    assert (kernel.reads, [*kernel.there]) == (reads, ["tap-b"])


def test_look_at_all_finds_what_nobody_has_told(
    guards: Guards, kernel: Kernel, told: list[frozenset[Key] | None]
) -> None:
    guards.write(steps(A))
    kernel.flush()
    assert guards.read({"tap-a"}).keys() == {A.key}
    assert guards.read() == {}
    assert told == [frozenset({A.key})]


def test_unwatched_each_look_asks(guards: Guards, kernel: Kernel) -> None:
    guards.watched = False
    guards.write(steps(A))
    kernel.flush()
    assert guards.read() == {}


def test_change_of_another_table_leads_to_another_try(
    guards: Guards, kernel: Kernel, told: list[frozenset[Key] | None]
) -> None:
    guards.write(steps(A))
    kernel.generation += 1
    assert guards.write(steps(B)) == {}
    assert {*kernel.there} == {"tap-a", "tap-b"}
    assert told == []


def test_who_changes_nftables_all_the_time_is_a_transient_problem(
    guards: Guards, kernel: Kernel
) -> None:
    kernel.refuses = [errno.ERESTART] * 100
    (problem,) = guards.write(steps(A)).values()
    assert problem.transient
    assert "others change nftables all the time" in problem.message
    assert kernel.writes < 20


def test_guard_that_was_lost_is_told_to_who_wants_it(
    guards: Guards, kernel: Kernel, told: list[frozenset[Key] | None]
) -> None:
    guards.write(steps(A, B))
    assert not guards.look_again(restore=False), "only another table was changed"
    kernel.flush()
    assert guards.look_again(restore=False)
    assert told == [KEYS]
    assert guards.read() == {}


def test_what_is_put_back_counts_as_undone_until_it_is_looked_at(
    guards: Guards, kernel: Kernel, told: list[frozenset[Key] | None]
) -> None:
    """So a port is told to have been repaired, though it is guarded again already."""
    guards.write(steps(A, B))
    assert not guards.look_again(restore=True), "only another table was changed"
    del kernel.there["tap-a"]
    assert guards.look_again(restore=True)
    assert {*kernel.there} == {"tap-a", "tap-b"}
    assert told == [frozenset({A.key})]
    enforced = {
        k: getattr(f.resource, "enforced", None) for k, f in guards.read(KEYS_NAMES).items()
    }
    assert enforced == {A.key: False, B.key: True}
    writes = kernel.writes
    assert guards.write(steps(A)) == {}
    assert kernel.writes == writes, "there is nothing to write"
    assert guards.read({"tap-a"})[A.key].resource == A


def test_loss_that_is_seen_by_a_write_is_told_as_well(
    guards: Guards, kernel: Kernel, told: list[frozenset[Key] | None]
) -> None:
    guards.write(steps(A))
    kernel.flush()
    assert guards.write(steps(B)) == {}
    assert told == [frozenset({A.key})]
    assert not guards.look_again(restore=False)


def test_changed_element_and_foreign_owner_are_seen(
    guards: Guards, kernel: Kernel, told: list[frozenset[Key] | None]
) -> None:
    guards.write(steps(A, B))
    kernel.there["tap-a"] = SetGuard(name="tap-a", owner="", macs=(MAC,), pairs=())
    guards.look_again(restore=False)
    assert told == [frozenset({A.key})]
    assert guards.read()[A.key].owner is None


def test_guard_without_the_rules_is_not_enforced(
    guards: Guards, kernel: Kernel, told: list[frozenset[Key] | None]
) -> None:
    guards.write(steps(A))
    kernel.enforced = False
    guards.look_again(restore=False)
    assert told == [frozenset({A.key})]
    resource = guards.read()[A.key].resource
    assert isinstance(resource, Guard)
    assert not resource.enforced


def test_guard_that_the_kernel_refuses_keeps_no_other_from_its_own(
    guards: Guards, kernel: Kernel
) -> None:
    many = [guard(f"tap-{n}", f"10.0.0.{n}/32") for n in range(7)]
    kernel.sick = {"tap-3"}
    failures = guards.write(steps(*many))
    assert failures.keys() == {Key(GUARD, "tap-3")}
    (problem,) = failures.values()
    assert not problem.transient
    assert problem.message == "the guard of tap-3: Invalid argument [EINVAL]"
    assert len(kernel.there) == 6


def test_lack_of_memory_is_no_reason_for_halves(guards: Guards, kernel: Kernel) -> None:
    kernel.refuses = [errno.ENOMEM]
    failures = guards.write(steps(A, B))
    assert failures.keys() == KEYS
    assert kernel.writes == 1
    assert all(problem.transient for problem in failures.values())
    assert guards.write(steps(A, B)) == {}


def test_what_cannot_be_read_is_no_reason_to_think_that_nothing_is_there(
    guards: Guards, kernel: Kernel, told: list[frozenset[Key] | None]
) -> None:
    guards.write(steps(A))
    kernel.error = PermissionError(errno.EPERM, "Operation not permitted")
    assert guards.look_again(restore=False)
    assert told == [None], "everything is looked at"
    with pytest.raises(NotYet, match="cannot be read: Operation not permitted"):
        guards.read()
    (problem,) = guards.write(steps(B)).values()
    assert problem.transient
    kernel.error = None
    assert guards.read().keys() == {A.key}


def test_kernel_that_has_none_is_good_enough_for_noop(kernel: Kernel) -> None:
    kernel.error = OSError(errno.EOPNOTSUPP, "Operation not supported")
    none = Guards(Guarding(kernel, needed=False), lambda _: None)
    assert [none.read(), none.drops(), none.port_drops()] == [{}] * 3
    assert Guards(Guarding(), lambda _: None).read() == {}


def test_driver_that_guards_takes_a_kernel_that_can(guards: Guards, kernel: Kernel) -> None:
    guards.check()
    lacking = Guarding(kernel, needed=True, missing="the kernel cannot")
    with pytest.raises(NotConfigured, match=r"driver: the kernel cannot; driver = noop starts it"):
        Guards(lacking, lambda _: None).check()
    Guards(dataclasses.replace(lacking, needed=False), lambda _: None).check()


def test_owners_are_those_of_the_steps(guards: Guards, kernel: Kernel) -> None:
    guards.write([Step(MAKE, A, OTHER, (OTHER,))])
    assert kernel.there["tap-a"].owner == OTHER
