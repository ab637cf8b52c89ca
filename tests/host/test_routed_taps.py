"""What a routed tap's guest says to the host: the table of frames, by the host's own stack."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from tests.helper.test_compromised import PORT, speaking
from tests.helper.test_guards import must_hold
from tests.host.test_nft import MAC, as_recorded
from tests.support import guarded
from tests.support.casting import wait_for
from tests.support.guarded import DEVICES, ip, wanted, write
from tests.support.guarded_frames import CASES, FAR, Case, fence
from vif_agent.helper import guards
from vif_agent.helper.codec import to_plain
from vif_agent.helper.orders import SetGuard
from vif_agent.host.nft import reading, table
from vif_agent.host.nft.elements import Elements, elements
from vif_agent.host.nft.netlink import DONE, NftSocket
from vif_agent.host.nft.tables import REASONS, TABLES
from vif_agent.host.nft.words import ARP, INET
from vif_agent.testing import processes
from vif_agent.testing.frames import End, TapEnd
from vif_agent.testing.plugging import TUN

pytestmark = pytest.mark.usefixtures("namespace")

_SECONDS = 20
#: of others: what comes further than our tables
LATER = """
table inet later {
    counter arrived { }
    chain ports { type filter hook prerouting priority -405; counter name arrived; }
}
table arp later {
    counter arrived { }
    chain ports { type filter hook input priority -300; counter name arrived; }
}
"""


def orders() -> list[SetGuard]:
    return [dataclasses.replace(order, routed=True) for order in guarded.orders()]


@contextlib.contextmanager
def guests() -> Iterator[dict[str, End]]:
    """Their taps, routed by the host, whose MAC is everywhere the one that frames are sent to."""
    if not shutil.which("nft"):
        pytest.skip("nft is not installed (Debian: nftables)")
    assert guarded.write(orders()) == (0, "")
    subprocess.run(("nft", "-f", "-"), input=LATER.encode(), check=True)
    with contextlib.ExitStack() as stack:
        yield {port: stack.enter_context(routed(device)) for port, device in DEVICES.items()}


@contextlib.contextmanager
def routed(name: str) -> Iterator[End]:
    ip("tuntap", "add", name, "mode", "tap")
    ip("link", "set", name, "address", FAR, "addrgenmode", "none")
    with TapEnd(name, TUN) as end:
        ip("link", "set", name, "up")
        yield end


def arrived() -> int:
    found = json.loads(processes.run(("nft", "-j", "list", "counters"), os.environ))["nftables"]
    counters = [one["counter"] for one in found if "counter" in one]
    return sum(one["packets"] for one in counters if one["table"] == "later")


def send(end: End, case: Case) -> guarded.Sent:
    before, counted = guards.dropped(), arrived()
    end.send(case.frame)
    end.send(fence(case.port, b"the last one"))
    deadline = time.monotonic() + _SECONDS
    while (now := arrived()) == counted and time.monotonic() < deadline:
        time.sleep(0.01)
    moved = {r: n - before[r] for r, n in guards.dropped().items() if n != before[r]}
    return guarded.Sent(now - counted == 2, moved)


#: frames that the host itself does not take for IP or ARP, or not for whole ones, and discards
HOST = {
    *(f"strict: Ethernet: {name}" for name in (
        "another's MAC, nothing known inside", "another's MAC with a tag", "VLAN tag",
        "VLAN tag around ARP", "provider's tag", "two tags", "old provider's tag",
        "unknown ethertype", "permitted ethertype", "permitted ethertype, another's MAC",
        "LLDP, to all", "EAPOL", "PPPoE discovery", "MPLS around IPv4", "spanning tree",
        "IPv4 in 802.3 and SNAP", "nothing at all",
    )),
    *(f"strict: ARP: {name}" for name in (
        "addresses of another length", "cut off before the sender", "cut off within its form",
        "RARP of qemu after a migration", "RARP with another's MAC inside", "RARP answer",
        "RARP not about IPv4",
    )),
    *(f"strict: IPv4: {name}" for name in (
        "wrong header checksum", "not version 4", "later fragment, not version 4",
        "says it is longer than it is", "DHCP server, version 5",
    )),
    *(f"strict: IPv6: {name}" for name in ("not version 6", "says it is longer")),
    *(f"mac only: {name}" for name in ("RARP of qemu", "VLAN tag", "unknown ethertype")),
    "unguarded: unknown ethertype",
}  # fmt: skip
#: what a bridge sees otherwise than the host: VLAN 0 is none to it
OTHERWISE = {
    "strict: Ethernet: priority tag, VLAN 0": guarded.Sent(True, {}),
    "strict: Ethernet: a MAC of no single device": guarded.Sent(False, {"mac": 1}),
}


def says(name: str, case: Case) -> guarded.Sent:
    """What is to come of it."""
    if name in HOST:
        return guarded.Sent(False, {})
    return OTHERWISE.get(name) or wanted(case)


def test_what_passes_and_what_does_not(figures: Callable[[str], None]) -> None:
    cases = {f"{case.port}: {case.name}": case for case in CASES}
    assert cases.keys() >= {*HOST, *OTHERWISE}
    with guests() as ends:
        sent = {name: send(ends[case.port], case) for name, case in cases.items()}
        by_port = guards.dropped_of_ports()
    due = {name: says(name, case) for name, case in cases.items()}
    assert {n: (sent[n], due[n]) for n in due if sent[n] != due[n]} == {}
    counted: dict[str, dict[str, int]] = {}
    for name, case in cases.items():
        for reason, frames in due[name].moved.items():
            drops = counted.setdefault(DEVICES[case.port], {})
            drops[reason] = drops.get(reason, 0) + frames
    assert by_port == counted
    judged = len(cases) - len(HOST)
    passed = sum(one.arrived for one in sent.values())
    figures(f"guard, routed taps: {judged} frames, {passed} arrived, 0 wrong")


def test_every_reason_but_those_of_bridges_is_in_the_table() -> None:
    moved = {why for case in CASES for why in says(f"{case.port}: {case.name}", case).moved}
    reasons = {*TABLES[INET].reasons, *TABLES[ARP].reasons}
    assert reasons - moved == {"ethertype"}  # of these the host shows a guard none
    assert reasons <= {*REASONS}


# -- the tables ----------------------------------------------------------------------------------


ROUTED = SetGuard(
    name="tap-a",
    owner=PORT,
    macs=(MAC,),
    pairs=((MAC, "10.0.0.9/32"), (MAC, "10.1.0.0/16"), (MAC, "::/0")),
    routed=True,
)
BRIDGED = dataclasses.replace(ROUTED, name="tap-b", routed=False)
OURS = ["table bridge vif_agent", "table inet vif_agent", "table arp vif_agent"]


def nft(*words: str) -> str:
    if not shutil.which("nft"):
        pytest.skip("nft is not installed (Debian: nftables)")
    return processes.run(("nft", *words), os.environ)


def tables() -> list[str]:
    return sorted(nft("list", "tables").splitlines(), key=[*OURS, ""].index)


def there() -> dict[str, SetGuard]:
    found = guards.read()["guards"]
    return {name: SetGuard(**fields) for name, (_, fields) in found.items()}


def test_tables_come_with_the_first_routed_tap_and_go_with_the_last() -> None:
    other = dataclasses.replace(ROUTED, name="tap-c")
    assert write([BRIDGED]) == DONE
    assert tables() == OURS[:1]
    assert write([ROUTED, other], generation=2) == DONE
    assert tables() == OURS
    assert there() == {"tap-a": ROUTED, "tap-b": BRIDGED, "tap-c": other}
    assert guards.read()["enforced"]
    assert guards.read()["generation"] == 3
    assert write(remove=["tap-c"]) == DONE
    assert tables() == OURS
    assert write(remove=["tap-a"]) == DONE
    assert tables() == OURS[:1]
    assert there() == {"tap-b": BRIDGED}
    assert guards.read()["enforced"]


def test_port_that_is_routed_from_now_on_moves_in_one_batch() -> None:
    assert write([BRIDGED]) == DONE
    for routed in (True, False):
        moved = dataclasses.replace(BRIDGED, routed=routed)
        generation = guards.read()["generation"]
        assert write([moved], generation=generation) == DONE
        assert there() == {"tap-b": moved}
        assert guards.read()["generation"] == generation + 1
        assert tables() == (OURS if routed else OURS[:1])


@pytest.mark.parametrize(
    "commands",
    [
        "flush ruleset",
        "delete table arp vif_agent",
        "delete table inet vif_agent; delete table arp vif_agent",
        "flush chain inet vif_agent guard_ip6",
        "flush chain arp vif_agent guard",
        "flush set arp vif_agent one4",
        "flush set inet vif_agent guarded; flush set arp vif_agent guarded",
        "add element inet vif_agent any4 { tap-a . fa:16:3e:00:00:01 }",
        "add element bridge vif_agent macs { tap-a . fa:16:3e:00:00:02 }",
        "add chain inet vif_agent ports { policy drop; }",
        "add table arp vif_agent { flags dormant; }",
    ],
)
def test_what_others_undo_is_put_back(commands: str) -> None:
    """Who has not seen it happen sees it, too."""
    with NftSocket() as netlink:
        kept = guards.Guards(netlink)
        change = table.Change({one.name: _elements(one) for one in (ROUTED, BRIDGED)})
        kept.read()
        assert kept.write([], 1, change) == DONE
        before = reading.read(netlink)[0]
        nft(commands)
        found = guards.read()
        seen = there() == {"tap-a": ROUTED, "tap-b": BRIDGED}
        assert not (seen and found["enforced"])
        _, undone = kept.restore([])
        assert "tap-a" in undone
        after = reading.read(netlink)[0]
        assert (after.fixed, after.ports) == (before.fixed, before.ports)


def _elements(order: SetGuard) -> Elements:
    may = order.dhcp_server, order.router, order.routed
    return elements(order.name, order.owner, order.macs, order.pairs, *may)


def test_table_of_that_name_is_anothers_until_a_routed_tap_has_a_guard() -> None:
    nft("add table inet vif_agent; add chain inet vif_agent guard; add set inet vif_agent guarded "
        "{ type ifname; }; add element inet vif_agent guarded { tap-x }")  # fmt: skip
    before = nft("-a", "list", "table", "inet", "vif_agent")
    assert write() == DONE
    assert "table bridge vif_agent" not in tables()
    assert write([BRIDGED]) == write(remove=["tap-b"]) == DONE
    assert there() == {}
    assert guards.read()["enforced"]
    assert nft("-a", "list", "table", "inet", "vif_agent") == before
    assert write([ROUTED]) == DONE
    assert there() == {"tap-a": ROUTED}
    assert guards.read()["enforced"]


def test_all_three_outlive_their_holder_and_the_next_takes_them_over() -> None:
    must_hold()
    with speaking() as first:
        known = first.raw("read_guards", [])["generation"]
        put = [to_plain(ROUTED), to_plain(BRIDGED)]
        assert tuple(first.raw("write_guards", [], known, put, [])) == DONE
        before = first.raw("read_guards", [])
    wait_for(lambda: holders() == {0}, "the helper's end")
    with speaking() as second:
        assert second.raw("probe_guards", True) == ""
        after = second.raw("read_guards", [])
        assert after == {**before, "generation": before["generation"] + 1}
        assert len(holders()) == 1
        assert 0 not in holders()
        nft("flush", "ruleset")
        assert second.raw("read_guards", []) == after


def holders() -> set[int]:
    with NftSocket() as netlink:
        found = reading.read(netlink)[1]
    assert len(found) == 3
    return {one.holder for one in found.values()}


def test_asking_whether_the_kernel_can_changes_nothing() -> None:
    before = guards.read()
    assert guards.lacks(routed=True) == ""
    assert guards.read() == before


def test_tables_read_as_they_always_have() -> None:
    """As for bridges, see ``test_nft``."""
    assert write(orders()) == DONE
    as_recorded("guards-routed", *(nft("list", *one.split()) for one in OURS[1:]))
