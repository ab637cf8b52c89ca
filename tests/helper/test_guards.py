"""The helper and its table: what it does not do whoever asks, and what lasts when it dies."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import errno
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.helper.test_compromised import OTHER, PORT, Speaker, index, speaking
from tests.support.casting import wait_for
from tests.support.guarded import holder
from tests.support.real_host import ip
from vif_agent.helper import guards
from vif_agent.helper.codec import to_plain
from vif_agent.helper.orders import CreateTap, SetGuard
from vif_agent.host.nft import messages, reading, table
from vif_agent.host.nft.events import Change, NftEvents
from vif_agent.host.nft.netlink import NftSocket

pytestmark = pytest.mark.usefixtures("namespace")

MAC = "fa:16:3e:00:00:01"
GUARD = SetGuard(name="tap-a", owner=PORT, macs=(MAC,), pairs=((MAC, "10.0.0.9/32"),))
FOREIGN = """
table bridge other {
    set macs { type ether_addr; elements = { 02:00:00:00:00:01 }; }
    chain ports { type filter hook prerouting priority 0; policy accept; ether saddr @macs drop; }
}
table inet vif_agent {
    chain guard { type filter hook input priority 0; policy accept; tcp dport 22 drop; }
}
"""


@pytest.fixture
def say() -> Iterator[Speaker]:
    with speaking() as speaker:
        yield speaker


def nft(*words: str, check: bool = True) -> str:
    try:
        done = subprocess.run(("nft", *words), text=True, capture_output=True, check=check)
    except FileNotFoundError:
        pytest.skip("there is no nft (Debian: nftables)")
    return done.stdout + done.stderr


def write(
    say: Speaker, *put: SetGuard, remove: tuple[str, ...] = (), generation: int | None = None
) -> Any:
    known = say.raw("read_guards", [])["generation"] if generation is None else generation
    return say.raw("write_guards", [], known, [to_plain(order) for order in put], list(remove))


def there(say: Speaker) -> list[str]:
    return sorted(say.raw("read_guards", [])["guards"])


# -- whoever asks --------------------------------------------------------------------------------


@pytest.fixture
def foreign() -> Iterator[str]:
    """What others have in nftables, and at the end still have."""
    nft("list", "tables")
    subprocess.run(("nft", "-f", "-"), input=FOREIGN.encode(), check=True)
    before = _foreign()
    yield before
    assert _foreign() == before


def _foreign() -> str:
    return nft("-a", "list", "table", "bridge", "other") + nft("list", "table", "inet", "vif_agent")


def test_helper_does_what_the_agent_asks(say: Speaker, foreign: str) -> None:
    """Else the rest would prove nothing."""
    assert say.raw("probe_guards") == ""
    nothing = say.raw("read_guards", [])
    assert (nothing["enforced"], nothing["guards"]) == (False, {})
    assert write(say, GUARD, generation=nothing["generation"]) == (0, "")
    found = say.raw("read_guards", [])
    assert found["guards"] == {"tap-a": to_plain(GUARD)}
    assert found["enforced"]
    assert found["generation"] == nothing["generation"] + 1
    assert set(say.raw("read_drops").values()) == {0}
    assert say.raw("read_port_drops") == {}
    assert write(say, remove=("tap-a",)) == (0, "")
    assert there(say) == []


NAMES = ("all", "../x", "a b", 'x" }; flush ruleset; #', "", 5, "a" * 16, "tap\n", "tap\0")


def test_name_that_is_no_devices_is_refused(say: Speaker, foreign: str) -> None:
    for name in NAMES:
        order = ("SetGuard", {**to_plain(GUARD)[1], "name": name})
        told = say.raw("write_guards", [], 1, [order], [])
        assert told.startswith("ValueError: SetGuard.name: expected the name of a device, got ")
    assert not say.raw("read_guards", [])["enforced"]


FIELDS: tuple[tuple[str, object], ...] = (
    *(("table", "other"), ("family", "inet"), ("chain", "input"), ("set", "macs")),
    *(("owner", "a b"), ("owner", 'x" drop'), ("router", 1), ("routed", "inet")),
    *(("macs", ["zz"]), ("macs", []), ("macs", MAC)),
    *(("pairs", [[MAC, "10.0.0.9"]]), ("pairs", [[MAC, "10.0.0.9/24"]]), ("pairs", [["*", ""]])),
)


def test_order_that_is_none_is_refused(say: Speaker, foreign: str) -> None:
    for field, value in FIELDS:
        order = ("SetGuard", {**to_plain(GUARD)[1], field: value})
        assert say.raw("write_guards", [], 1, [order], []).startswith("ValueError: SetGuard")
    assert not say.raw("read_guards", [])["enforced"]


def test_rule_is_none_that_can_be_asked_for(say: Speaker, foreign: str) -> None:
    for permitted in ("other", [0x0800], ["accept"], [[1]], [-1], [1 << 40]):
        told = say.raw("write_guards", permitted, 1, [to_plain(GUARD)], [])
        assert told.startswith("ValueError: permitted ethertype")
    assert not say.raw("read_guards", [])["enforced"]


def test_other_orders_are_no_guards(say: Speaker, foreign: str) -> None:
    tap = to_plain(CreateTap(name="tap-a", owner=PORT))
    told = say.raw("write_guards", [], 1, [tap], [])
    assert told.startswith("ValueError: order: expected one of SetGuard, ")
    told = say.raw("create", [to_plain(GUARD)])
    assert told.startswith("ValueError: order: expected one of CreateBridge, ")


def test_nothing_of_others_is_removed(say: Speaker, foreign: str) -> None:
    assert write(say, GUARD) == (0, "")
    for remove in (["other"], ["macs", "ports"], ["bridge other"], "other", [5]):
        known = say.raw("read_guards", [])["generation"]
        assert say.raw("write_guards", [], known, [], remove) == (0, "")
    assert there(say) == ["tap-a"]


def test_generation_that_is_none_is_refused(say: Speaker) -> None:
    for generation in (0, -1, "1", None, True, 1 << 32):
        told = say.raw("write_guards", [], generation, [to_plain(GUARD)], [])
        assert told[0] == errno.ERESTART or told.startswith("ValueError: generation: ")
    assert not say.raw("read_guards", [])["enforced"]


def test_what_is_the_hosts_is_not_cut_off(say: Speaker) -> None:
    """A guard on a NIC in a bridge would let nothing of the others pass."""
    ip("link", "add", "uplink", "type", "veth", "peer", "name", "far")
    ip("link", "add", "br-ex", "type", "bridge")
    for name in ("uplink", "br-ex", "lo"):
        number, text = write(say, SetGuard(name=name, owner=PORT, macs=(MAC,), pairs=()))
        assert number == 1
        assert text.startswith(f"{name}: it is not named after the port")
    assert there(say) == []


def test_device_of_another_port_is_not_guarded_in_its_name(say: Speaker) -> None:
    assert say("create", CreateTap(name="tap-a", owner=OTHER)) == {}
    assert write(say, GUARD) == (errno.EAGAIN, f"tap-a: it belongs to {OTHER}")
    assert there(say) == []
    theirs = SetGuard(name="tap-a", owner=OTHER, macs=(MAC,), pairs=())
    assert write(say, theirs) == (0, "")
    assert there(say) == ["tap-a"]


@pytest.mark.parametrize("name", ["tap" + PORT[:11], "vnet7"])
def test_device_may_be_there_already_or_come_later(say: Speaker, name: str) -> None:
    order = SetGuard(name=name, owner=PORT, macs=(MAC,), pairs=())
    assert write(say, order) == (0, "")
    assert write(say, remove=(name,)) == (0, "")
    ip("tuntap", "add", name, "mode", "tap")
    assert index(name)
    assert write(say, order) == (0, "")


# -- held, and taken over ------------------------------------------------------------------------


def must_hold() -> None:
    with NftSocket() as netlink:
        refused = reading.try_out(netlink, table.HELD)
    if refused.errno:
        pytest.skip(f"a table with owner and persist: {refused.text}")


def test_held_table_is_changed_by_nobody_else(say: Speaker) -> None:
    must_hold()
    assert write(say, GUARD) == (0, "")
    assert holder()
    nft("flush", "ruleset")
    for command in ("delete table bridge vif_agent", "flush chain bridge vif_agent guard"):
        assert "Operation not permitted" in nft(*command.split(), check=False)
    leaves = table.Change(remove=["tap-a"])
    with NftSocket() as netlink:
        assert guards.Guards(netlink).write([], netlink.generation(), leaves).errno == 1
    assert there(say) == ["tap-a"]


def test_held_table_is_none_that_the_kernel_could_not_have(say: Speaker) -> None:
    """Else an agent that starts while its helper of before ends would not start at all."""
    must_hold()
    assert guards.lacks() == ""
    assert write(say, GUARD) == (0, "")
    assert holder()
    assert guards.lacks() == ""
    with speaking() as another:
        assert another.raw("probe_guards") == ""


def test_who_cannot_ask_just_now_finds_no_lack() -> None:
    """An agent that took it for one would, where no driver is named, take all guards away."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        assert guards.lacks() == ""
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Raced(NftSocket):
    """Somebody deletes our table when it has been seen."""

    def dump(self, request: messages.Message) -> list[bytes]:
        bodies = super().dump(request)
        nft("delete", "table", "bridge", "vif_agent", check=False)
        return bodies


def test_table_that_is_deleted_while_the_kernel_is_asked_is_no_lack() -> None:
    nft("add", "table", "bridge", "vif_agent")
    with Raced() as netlink:
        assert guards.Guards(netlink).lacks() == ""


def test_table_outlives_its_holder_and_the_next_takes_it_over() -> None:
    """As it is: of a restart the generation counts one batch, and no element has moved."""
    must_hold()
    with speaking() as first:
        assert write(first, GUARD) == (0, "")
        before = first.raw("read_guards", [])
        first_holder = holder()
    assert first_holder
    wait_for(lambda: holder() == 0, "the helper's end")
    with speaking() as second:
        after = second.raw("read_guards", [])
        assert holder() not in (0, first_holder)
        assert after == {**before, "generation": before["generation"] + 1}
        assert second.raw("read_guards", []) == after
        nft("flush", "ruleset")
        assert there(second) == ["tap-a"]
        assert write(second, remove=("tap-a",)) == (0, "")


def test_table_that_went_while_nobody_held_it_is_made_anew() -> None:
    must_hold()
    with speaking() as first:
        assert write(first, GUARD) == (0, "")
    wait_for(lambda: holder() == 0, "the helper's end")
    nft("flush", "ruleset")
    with speaking() as second:
        assert not second.raw("read_guards", [])["enforced"]
        assert write(second, GUARD) == (0, "")
        assert there(second) == ["tap-a"]
        assert holder()


def test_table_that_cannot_be_held_is_made_anew_once(say: Speaker) -> None:
    """One that somebody has restored from a file, say."""
    must_hold()
    assert guards.write([], guards.read()["generation"], [GUARD], []) == (0, "")
    assert holder() == 0
    assert not say.raw("read_guards", [])["enforced"]
    assert there(say) == ["tap-a"]
    assert write(say) == (0, "")
    assert holder()
    assert say.raw("read_guards", [])["enforced"]
    assert there(say) == ["tap-a"]


def test_two_helpers_do_not_change_one_table(say: Speaker) -> None:
    """The second is told so. (Two agents on a host: the lock on the state directory is theirs.)"""
    must_hold()
    assert write(say, GUARD) == (0, "")
    with speaking() as second:
        assert there(second) == ["tap-a"]
        number, text = write(second, remove=("tap-a",))
        assert (number, text) == (1, "set guarded: Operation not permitted")
    assert there(say) == ["tap-a"]


# -- what the helper remembers -------------------------------------------------------------------


def test_helper_does_not_look_again_and_the_kernel_says_when_it_should(say: Speaker) -> None:
    assert write(say, GUARD) == (0, "")
    known = say.raw("read_guards", [])["generation"]
    nft("add", "table", "inet", "others")
    other = SetGuard(name="tap-b", owner=OTHER, macs=(MAC,), pairs=())
    number, _ = write(say, other, generation=known)
    assert number == errno.ERESTART
    assert write(say, other, generation=known + 1) == (0, "")  # known to be none of our table
    assert write(say, remove=("tap-a",), generation=known + 2) == (0, "")
    assert there(say) == ["tap-b"]


def test_what_others_undo_is_put_back_from_memory(kept: guards.Guards) -> None:
    """All of it, and what is not of ours is left out."""
    mine = {"tap-a": guards._elements(GUARD)}
    assert kept.write([], 1, table.Change(mine)).errno == 0
    nft("add", "element", "bridge", "vif_agent", "macs", f"{{ strange . {MAC} }}")
    before = kept.read()
    assert kept.restore([]) == (before, [])
    for undo in (
        "flush ruleset",
        "delete element bridge vif_agent guarded { tap-a }",
        f"add element bridge vif_agent any4 {{ tap-a . {MAC} }}",
        "flush chain bridge vif_agent guard",
    ):
        nft(*undo.split(" "))
        state, undone = kept.restore([])
        assert undone == ["tap-a"]
        assert state.ports["tap-a"] == mine["tap-a"]
        assert kept.read() == state
        assert table.is_right(state, [])
    assert kept.restore([]) == (state, [])


def test_nothing_is_put_back_that_was_removed(kept: guards.Guards) -> None:
    mine = {"tap-a": guards._elements(GUARD)}
    assert kept.restore([])[1] == []
    assert kept.write([], 1, table.Change(mine)).errno == 0
    assert kept.write([], 2, table.Change(remove=["tap-a"])).errno == 0
    nft("flush", "ruleset")
    state, undone = kept.restore([])
    assert (state.ports, undone) == ({}, [])


@pytest.fixture
def kept() -> Iterator[guards.Guards]:
    """As on a kernel on which no table can be held."""
    with NftSocket() as netlink:
        yield guards.Guards(netlink)


def test_name_of_who_has_changed_it_begins_no_line_of_the_log() -> None:
    """15 characters that any process gives itself (PR_SET_NAME)."""
    libc, before = ctypes.CDLL(None), ctypes.create_string_buffer(16)
    with contextlib.closing(NftEvents()) as events, NftSocket() as netlink:
        events.listen(0)
        libc.prctl(16, before)
        libc.prctl(15, b"me\nERROR: you")
        try:
            assert netlink.do([messages.new_table("", 0)]).errno == 0
        finally:
            libc.prctl(15, before)
        events.wait()
        assert [change.by for change in events.take()] == [r"me\nERROR: you"]


# -- heard of ------------------------------------------------------------------------------------

HEARS = """
import os, select, sys
from oslo_privsep import capabilities
from vif_agent.host.nft.events import NftEvents
events = NftEvents()
capabilities.drop_all_caps_except([], [], [])
events.listen(ours=int(sys.argv[1]))
print("listening", flush=True)
events.wait()
for by, pid in events.take():
    print(by, pid, flush=True)
"""


@contextlib.contextmanager
def listening(ours: int = 0) -> Iterator[NftEvents]:
    with contextlib.closing(NftEvents()) as events:
        events.listen(ours)
        yield events


def test_who_has_changed_the_table_is_told(say: Speaker) -> None:
    if holder_is_possible():
        guards.write([], 1, [GUARD], [])
    else:
        write(say, GUARD)
    with listening() as events:
        nft("add", "table", "inet", "others")
        nft("delete", "element", "bridge", "vif_agent", "guarded", "{ tap-a }")
        nft("flush", "ruleset")
        assert events.wait()
        told = list(events.take())
        assert [one.by for one in told] == ["nft", "nft"]
        assert told[0].pid != told[1].pid
        assert list(events.take()) == []


def holder_is_possible() -> bool:
    with NftSocket() as netlink:
        return not reading.try_out(netlink, table.HELD).errno


def test_own_changes_are_not_told() -> None:
    with listening(ours=os.getpid()) as events:
        guards.write([], 1, [GUARD], [])
        guards.write([], 2, [], ["tap-a"])
        assert list(events.take()) == []
        nft("flush", "ruleset")
        assert [one.by for one in events.take()] == ["nft"]
    with listening() as events:
        guards.write([], guards.read()["generation"], [GUARD], [])
        assert [one.pid for one in events.take()] == [os.getpid()]


def test_lost_events_are_told() -> None:
    many = [dataclasses.replace(GUARD, name=f"tap{n}") for n in range(200)]
    with contextlib.closing(NftEvents(room=1 << 16)) as events:
        events.listen(0)
        guards.write([], 1, many, [])
        with pytest.raises(OSError, match="No buffer space available"):
            list(events.take())
        list(events.take())
        nft("delete", "element", "bridge", "vif_agent", "guarded", "{ tap7 }")
        assert [one.by for one in events.take()] == ["nft"]


def test_socket_hears_after_the_capabilities_are_gone() -> None:
    guards.write([], 1, [GUARD], [])
    with subprocess.Popen(
        (sys.executable, "-W", "ignore", "-c", HEARS, "0"), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "listening\n"
        nft("flush", "ruleset")
        assert process.stdout.readline().startswith("nft ")


def test_who_listens_is_woken_by_the_end() -> None:
    with listening() as events:
        events.end()
        assert not events.wait()
        assert Change("nft", 1) == ("nft", 1)
