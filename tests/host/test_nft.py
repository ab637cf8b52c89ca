"""The table of guards on the real kernel: written whole or not at all, read back, and no other."""

from __future__ import annotations

import ipaddress
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import guarded
from tests.support.guarded import write
from tests.support.guarded_frames import PERMITTED
from vif_agent.helper import guards
from vif_agent.helper.codec import from_plain
from vif_agent.helper.guards import Guards
from vif_agent.helper.orders import SetGuard
from vif_agent.host.nft import messages, reading, table
from vif_agent.host.nft.elements import Element, device_of, elements, said
from vif_agent.host.nft.events import NftEvents
from vif_agent.host.nft.expressions import compiled, read, written
from vif_agent.host.nft.netlink import DONE, PASSED, NftSocket
from vif_agent.host.nft.rules import permitted_ethertypes
from vif_agent.host.nft.tables import REASONS, TABLES
from vif_agent.host.nft.words import BRIDGE, Family
from vif_agent.ip_networks import network
from vif_agent.testing import processes

TABLE = ("table", "bridge", "vif_agent")
PORT = "5843eca1-e1fe-5bb2-a9c2-8f97bae40c4e"
OTHER = "11111111-2222-4333-8444-555555555555"
MAC = "fa:16:3e:00:00:01"


def guard(name: str = "tap-a", owner: str = PORT, *pairs: str, macs: int = 1) -> SetGuard:
    all_macs = tuple(f"fa:16:3e:00:00:{n:02x}" for n in range(1, macs + 1))
    return SetGuard(name=name, owner=owner, macs=all_macs, pairs=tuple((MAC, p) for p in pairs))


def there() -> dict[str, SetGuard]:
    found = guards.read()["guards"]
    return {name: from_plain([plain], SetGuard)[0] for name, plain in found.items()}


def enforced(permitted: Sequence[int] = ()) -> bool:
    return bool(guards.read(permitted)["enforced"])


def nft(*words: str) -> str:
    if not _HAS_NFT:
        pytest.skip("there is no nft (Debian: nftables)")
    return processes.run(("nft", *words), os.environ)


_HAS_NFT = bool(shutil.which("nft"))


# -- pure ----------------------------------------------------------------------------------------


def test_rule_is_read_as_it_is_written() -> None:
    for chain in (chain for one in TABLES.values() for chain in one.chains):
        for rule in chain.rules:
            assert read(written(rule)) == compiled(rule)


_MACS = st.binary(min_size=6, max_size=6).map(lambda b: b.hex(":"))


@st.composite
def _networks(draw: st.DrawFn) -> str:
    length = draw(st.sampled_from([4, 16]))
    bits = draw(st.integers(0, length * 8))
    packed = draw(st.binary(min_size=length, max_size=length))
    address = ipaddress.ip_address(packed)
    return str(ipaddress.ip_network((address, bits), strict=False))


@given(
    st.lists(_MACS, unique=True).map(sorted),
    st.lists(st.tuples(_MACS, _networks()), unique=True).map(sorted),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_what_a_port_may_say_is_read_as_it_was_given(
    macs: list[str], pairs: list[tuple[str, str]], serves: bool, routes: bool, routed: bool
) -> None:
    """In the very form: what differs would be written for ever."""
    found = elements("tap-a", PORT, macs, pairs, serves, routes, routed)
    assert {device_of(e) for e in found} == {"tap-a"}
    assert said(found) == {
        "owner": PORT,
        "macs": tuple(macs),
        "pairs": tuple(pairs),
        "dhcp_server": serves,
        "router": routes,
        "routed": routed,
    }


@pytest.mark.parametrize(
    "text", ["10.0.0.1", "10.0.0.1/24", "10.0.0.0/33", "10.0.0/8", "::1/x", ""]
)
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a network"):
        network(text)


@pytest.mark.parametrize(
    "number", [0x800, 0x806, 0x86DD, 0x8035, 0x8100, 0x5FF, 1 << 16, True, "x"]
)
def test_what_the_rules_judge_is_not_permitted_unseen(number: object) -> None:
    with pytest.raises(ValueError, match="permitted ethertype: expected 0x0600 to 0xffff, none of"):
        permitted_ethertypes([number])


def test_permitted_ethertypes_are_a_part_of_the_rules() -> None:
    assert permitted_ethertypes([0x88CC, 0x6003, 0x88CC]) == (0x6003, 0x88CC)


# -- on the kernel -------------------------------------------------------------------------------

kernel = pytest.mark.usefixtures("namespace")


@pytest.fixture
def netlink(namespace: None) -> Iterator[NftSocket]:
    with NftSocket() as netlink:
        yield netlink


@kernel
def test_nothing_is_there_and_nothing_is_made_for_nothing() -> None:
    assert guards.read() == {"enforced": False, "generation": 1, "guards": {}}
    assert write() == write(remove=["tap-a"]) == DONE
    assert guards.read()["generation"] == 1


@kernel
def test_guard_is_read_as_it_is_written() -> None:
    wanted = guard("tap-a", PORT, "10.0.0.9/32", "10.1.0.0/16", "2001:db8::/64", macs=2)
    loose = guard("tap-b", OTHER, "0.0.0.0/0", "::/0")
    assert write([wanted, loose]) == DONE
    assert there() == {"tap-a": wanted, "tap-b": loose}
    assert enforced()


@kernel
def test_write_is_one_generation_and_none_if_nothing_differs() -> None:
    assert write([guard()], generation=1) == DONE
    assert guards.read()["generation"] == 2
    assert write([guard()], generation=2) == write(remove=["gone"], generation=2) == DONE
    assert guards.read()["generation"] == 2


@kernel
def test_put_replaces_all_that_is_there_of_the_device() -> None:
    assert write([guard("tap-a", PORT, "10.0.0.9/32", "10.1.0.0/16", macs=3), guard("b")]) == DONE
    after = guard("tap-a", OTHER, "10.0.0.10/32", "10.1.0.0/24", macs=2)
    assert write([after]) == DONE
    assert there() == {"tap-a": after, "b": guard("b")}
    assert write(remove=["tap-a", "b", "never-there"]) == DONE
    assert there() == {}
    assert enforced()


@kernel
def test_stale_generation_changes_nothing() -> None:
    assert write([guard("tap-a")]) == DONE
    known = guards.read()["generation"]
    assert write([guard("tap-b")], generation=known) == DONE
    for put, remove in (([guard("tap-c")], []), ([], ["tap-a"])):
        assert write(put, remove, generation=known).errno == PASSED
        assert write(put, remove, generation=0).errno == PASSED
    assert there().keys() == {"tap-a", "tap-b"}


@kernel
def test_batch_is_done_whole_or_not_at_all(netlink: NftSocket) -> None:
    assert write([guard("tap-a", PORT, "10.1.0.0/16")]) == DONE
    mistaken = Guards(netlink)
    mistaken.read()
    assert write([guard("tap-b")], remove=["tap-a"]) == DONE
    before = guards.read()
    new = elements("tap-c", PORT, [MAC], [])
    change = table.Change({"tap-c": new}, ["tap-a"])
    refused = mistaken.write([], before["generation"], change)
    assert (refused.errno, refused.text) == (2, "set guarded: No such file or directory")
    assert guards.read() == before
    gone = elements("tap-z", PORT, [MAC], [])
    work = [*messages.new_elements(gone), *messages.delete_elements([Element("macs", bytes(24))])]
    assert netlink.do(work).errno
    assert guards.read() == before


@kernel
def test_thousand_ports_come_and_go_in_a_batch() -> None:
    ports = [guard(f"tap{n:04}", PORT, f"10.0.{n >> 8}.{n & 255}/32") for n in range(1000)]
    some = [guard(f"net{n:04}", PORT, f"10.{n}.0.0/16") for n in range(100)]
    assert write([*ports, *some], generation=1) == DONE
    assert there() == {one.name: one for one in (*ports, *some)}
    assert write(remove=[one.name for one in (*ports, *some)], generation=2) == DONE
    assert guards.read() == {"enforced": True, "generation": 9, "guards": {}}


REPLACED = (
    ("flush chain bridge vif_agent guard", "guard"),
    ("flush table bridge vif_agent", None),
    ("insert rule bridge vif_agent guard accept", "guard"),
    ("add rule bridge vif_agent guard_ip4_source accept", "guard_ip4_source"),
    ("insert rule bridge vif_agent ports ether saddr { 02:00:00:00:00:01 } accept", "ports"),
    ("add chain bridge vif_agent another { type filter hook prerouting priority -400; }", ""),
    ("add set bridge vif_agent others { type ether_addr; elements = { 02:00:00:00:00:01 }; }", ""),
    ("add element bridge vif_agent permitted { 0x88cc }", ""),
)


@kernel
@pytest.mark.parametrize(("command", "chain"), REPLACED, ids=[command for command, _ in REPLACED])
def test_rules_that_others_change_are_replaced_where_they_stand(
    command: str, chain: str | None
) -> None:
    """In the one chain (None: in all); all else is what it was, to its handles."""
    assert write([guard("tap-a", PORT, "10.0.0.9/32", "10.1.0.0/16")]) == DONE
    assert enforced()
    before, handles = there(), _handles()
    nft(*command.split(" "))
    assert not enforced()
    assert write() == DONE
    assert enforced()
    assert there() == before
    after = _handles()
    changed = {name for name in after | handles if after.get(name) != handles.get(name)}
    assert changed == ({f"rules of {chain}"} if chain else set()) or chain is None
    assert after.keys() == handles.keys()
    assert after["table vif_agent"] == handles["table vif_agent"]
    assert after["chain ports"] == handles["chain ports"]


def _handles() -> dict[str, list[str]]:
    """Of the table, its sets and chains, and of the rules of each chain."""
    found: dict[str, list[str]] = {}
    where = ""
    for line in nft("-a", "list", *TABLE).splitlines():
        what, _, handle = line.strip().partition(" # handle ")
        kind, _, name = what.removesuffix(" {").partition(" ")
        if kind in ("table", "set", "map", "chain", "counter"):
            name = name.removeprefix("bridge ")
            found[f"{kind} {name}"] = [handle]
            where = f"rules of {name}" if kind == "chain" else ""
        elif handle and where:
            found.setdefault(where, []).append(handle)
    return found


MADE_ANEW = (
    "add table bridge vif_agent { flags dormant; }",
    "add chain bridge vif_agent ports { policy drop; }",
    "flush table bridge vif_agent; delete chain bridge vif_agent ports; "
    "add chain bridge vif_agent ports { type filter hook input priority -310; }",
    "flush table bridge vif_agent; delete set bridge vif_agent one4; "
    "add set bridge vif_agent one4 { type ether_addr; }",
    "delete table bridge vif_agent; add table bridge vif_agent",
)


@kernel
@pytest.mark.parametrize("commands", MADE_ANEW)
def test_table_that_cannot_be_mended_is_made_anew(commands: str) -> None:
    """With what is left of the ports."""
    wanted = guard("tap-a", PORT, "10.1.0.0/16")
    assert write([wanted]) == DONE
    handle = _handles()["table vif_agent"]
    nft(commands)
    assert not enforced()
    assert write([wanted]) == DONE
    assert enforced()
    assert there() == {"tap-a": wanted}
    assert _handles()["table vif_agent"] != handle


@kernel
def test_what_others_have_tied_to_each_other_in_the_table_goes(netlink: NftSocket) -> None:
    assert write([guard()]) == DONE
    nft(
        "add chain bridge vif_agent mine; add rule bridge vif_agent mine return; "
        "add map bridge vif_agent ways { type ifname : verdict; elements = { a : jump mine }; }; "
        "add chain bridge vif_agent out { type filter hook output priority 0; }; "
        "add rule bridge vif_agent out oifname vmap @ways; "
        "insert rule bridge vif_agent guard iifname vmap @ways"
    )
    assert not enforced()
    assert write() == DONE
    assert enforced()
    assert "ways" not in nft("list", *TABLE)


@kernel
def test_table_of_an_older_agent_is_taken_over(netlink: NftSocket) -> None:
    """It has a hash in its comment, other rules, a chain and a set that we know nothing of, and
    lacks some of ours."""
    old = table.State()
    wanted = guard("tap-a", PORT, "10.0.0.9/32", "10.1.0.0/16")
    has = elements(wanted.name, wanted.owner, wanted.macs, wanted.pairs)
    counted: dict[Family, table.Counted] = {BRIDGE: table.Counted([("mac", 7, 70)])}
    work = table.batch(old, (), table.Change({"tap-a": has}), counted)
    named = messages.new_table("vif-agent 1 0123456789abcdef", 0)
    assert netlink.do([named if m.kind == messages.NEW_TABLE else m for m in work]) == DONE
    handles = _handles()
    nft(
        "flush chain bridge vif_agent guard; flush chain bridge vif_agent guard_rarp; "
        "flush chain bridge vif_agent drop_rarp; "
        "delete chain bridge vif_agent drop_rarp; delete counter bridge vif_agent rarp; "
        "add set bridge vif_agent older { type ifname; }; add chain bridge vif_agent guard_older; "
        "add rule bridge vif_agent guard_older iifname @older accept; "
        "add rule bridge vif_agent guard jump guard_older; "
        "add rule bridge vif_agent guard_rarp drop"
    )
    assert there() == {"tap-a": wanted}
    assert not enforced()
    assert write() == DONE
    assert enforced()
    assert there() == {"tap-a": wanted}
    after = _handles()
    assert after.keys() == handles.keys()
    assert after["table vif_agent"] == handles["table vif_agent"]
    assert after["rules of ports"] == handles["rules of ports"]
    assert guards.dropped() == {**dict.fromkeys(REASONS, 0), "mac": 7}


@given(
    st.dictionaries(
        st.sampled_from([f"tap{n}" for n in range(40)]),
        st.tuples(st.integers(0, 20), st.integers(0, 20)),
    )
)
def test_networks_go_some_at_a_time_after_all_that_comes(pairs: dict[str, tuple[int, int]]) -> None:
    """Each device in one batch: it is never without an address that it has before and after."""
    has = {name: _many(name, range(many)) for name, (many, _) in pairs.items()}
    wanted = {name: _many(name, range(10, 10 + many)) for name, (_, many) in pairs.items() if many}
    change = table.Change(wanted, [name for name in has if name not in wanted])
    shares = list(table.shares(table.State(ports=has), change))
    assert {d: e for share in shares for d, e in share.put.items()} == change.put
    assert sorted(d for share in shares for d in share.remove) == sorted(change.remove)
    going = [
        {d: len(has[d] - share.put.get(d, frozenset())) for d in (*share.put, *share.remove)}
        for share in shares
    ]
    assert all(sum(each.values()) <= 16 or len(each) == 1 for each in going)
    assert all(any(each.values()) for each in going[1:])


def _many(device: str, third: range) -> frozenset[Element]:
    """Networks, and nothing else."""
    found = elements(device, PORT, [], [(MAC, f"10.0.{n}.0/24") for n in third])
    return frozenset(element for element in found if element.end)


@kernel
def test_networks_that_change_beside_each_other_do_not_overlap() -> None:
    """Old ones of a port go in the batch of its new ones."""
    before = [guard(f"tap{n:02}", PORT, "10.1.0.0/16", "10.2.0.0/16") for n in range(20)]
    after = [guard(f"tap{n:02}", PORT, "10.0.0.0/8") for n in range(20)]
    assert write(before) == DONE
    assert write(after, generation=2) == DONE
    found = guards.read()
    assert there() == {one.name: one for one in after}
    assert found["generation"] == 2 + 3
    assert write([], ["tap00"], generation=3).errno == PASSED


@kernel
def test_elements_that_others_change_are_seen() -> None:
    wanted = guard("tap-a", PORT, "10.0.0.9/32")
    assert write([wanted]) == DONE
    nft("delete", "element", "bridge", "vif_agent", "guarded", "{ tap-a }")
    assert guards.read()["guards"]["tap-a"][1]["owner"] == ""
    assert write([wanted]) == DONE
    assert there() == {"tap-a": wanted}
    nft("add", "element", "bridge", "vif_agent", "macs", f"{{ strange . {MAC} }}")
    nft("add", "element", "bridge", "vif_agent", "net4", f"{{ tap-a . {MAC} . 10.0.0.1-10.0.0.6 }}")
    found = guards.read()["guards"]
    assert found["strange"][1]["owner"] == ""
    assert (MAC, "10.0.0.1-10.0.0.6") in found["tap-a"][1]["pairs"]
    assert write([wanted], remove=["strange"]) == DONE
    assert there() == {"tap-a": wanted}


@kernel
def test_permitted_ethertypes_change_and_the_ports_stay() -> None:
    assert write([guard()], permitted=[0x88CC]) == DONE
    assert enforced([0x88CC])
    assert not enforced()
    assert write(permitted=[]) == DONE
    assert enforced()
    assert there() == {"tap-a": guard()}


OTHERS_TABLES = """
table bridge incus {
    set s { type ether_addr; elements = { 02:00:00:00:00:01 }; }
    chain in.1 { type filter hook prerouting priority -200; policy accept; ether saddr @s accept; }
}
table bridge vif_agents {
    chain guard { counter drop; }
}
table inet vif_agent {
    set guarded { type ifname; elements = { "tap-a" comment "5843eca1" }; }
    chain ports { type filter hook forward priority 0; policy accept; iifname @guarded drop; }
}
table ip nat {
    chain post { type nat hook postrouting priority 100; masquerade; }
}
"""


def _foreign() -> str:
    tables = [line for line in nft("list", "tables").splitlines() if line[6:] != "bridge vif_agent"]
    return "\n".join(nft("-a", "list", *line.split()) for line in tables)


@kernel
def test_tables_of_others_stay_as_they_are() -> None:
    """Also those that are called almost as ours."""
    if not _HAS_NFT:
        pytest.skip("there is no nft (Debian: nftables)")
    subprocess.run(("nft", "-f", "-"), input=OTHERS_TABLES.encode(), check=True)
    before = _foreign()
    assert before.count("table ") == 4
    assert guards.read()["guards"] == {}
    assert guards.lacks() == ""
    assert write([guard("tap-a", PORT, "10.0.0.9/32")]) == DONE
    nft("flush", "table", "bridge", "vif_agent")
    assert write() == DONE
    assert write(remove=["tap-a"]) == DONE
    assert _foreign() == before


@kernel
def test_asking_whether_the_kernel_can_changes_nothing(netlink: NftSocket) -> None:
    events = NftEvents()
    events.listen(ours=0)
    assert guards.lacks() == ""
    assert reading.try_out(netlink, table.HELD).errno in (0, 95)
    assert netlink.generation() == 1
    assert reading.read(netlink) == (table.State(1), {})
    assert list(events.take()) == []
    events.close()


# -- as nft shows it -----------------------------------------------------------------------------


@kernel
def test_table_reads_as_it_always_has() -> None:
    """Each release of nft has its own way to put it. Written by ``VIF_AGENT_GOLDEN=1`` in the
    environment, for a reader to look at."""
    assert write(guarded.orders(), permitted=[PERMITTED]) == DONE
    as_recorded("guards", nft("list", "table", "bridge", "vif_agent"))


def as_recorded(name: str, *listed: str) -> None:
    """What this release of nft says."""
    release = nft("--version").split()[1]
    golden = Path(__file__).with_name(f"{name}-nft-{release}.txt")
    if not golden.exists() and not os.environ.get("VIF_AGENT_GOLDEN"):
        pytest.skip(f"nobody has recorded what nft {release} says")
    text = _stable("".join(listed))
    if os.environ.get("VIF_AGENT_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text()


def _stable(text: str) -> str:
    """A set's elements have no order."""
    elements = re.compile(r"elements = \{ (.*?) \}", re.DOTALL)
    return elements.sub(lambda found: _in_order(found[1]), text)


def _in_order(found: str) -> str:
    each = sorted(re.split(r",\s+", found))
    return "elements = {\n\t\t\t" + ",\n\t\t\t".join(each) + "\n\t\t}"
