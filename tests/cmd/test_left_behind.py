"""What Neutron 25's linux bridge agent leaves, as its programs print it."""

from __future__ import annotations

from typing import Any

import pytest

from vif_agent.cmd.ctl import left_behind
from vif_agent.cmd.ctl.left_behind import Facts

PEER, GUEST, ANY = "192.0.2.2", "fa:16:3e:00:00:01", "00:00:00:00:00:00"
RULES = """\
Bridge table: nat

Bridge chain: PREROUTING, entries: 4, policy: ACCEPT
-i tape68a825b-d4 -j neutronMAC-tape68a825b-d4
-p ARP -i tape68a825b-d4 -j neutronARP-tape68a825b-d4
-i tape68a825b-d4 -j operators

Bridge chain: neutronARP-tape68a825b-d4, entries: 2, policy: RETURN
-p ARP --arp-ip-src 10.1.0.68 -j ACCEPT
-j DROP

Bridge chain: neutronMAC-tape68a825b-d4, entries: 2, policy: RETURN
-i tape68a825b-d4 --among-src fa:16:3e:62:ab:6a -j RETURN
-j DROP

Bridge chain: operators, entries: 0, policy: RETURN
"""


def link(name: str = "vxlan-7", master: str = "brq7151fa78-2a", **data: Any) -> dict[str, Any]:
    data = {"id": 7, "local": "192.0.2.1", "port": 8472, "learning": True, **data}
    return {"ifname": name, "master": master, "linkinfo": {"info_kind": "vxlan", "info_data": data}}


def entry(mac: str, peer: str = PEER, **more: Any) -> dict[str, Any]:
    return {"ifname": "vxlan-7", "mac": mac, "dst": peer, "state": "permanent", **more}


def test_a_tunnel_is_tagged_and_what_was_told_of_guests_goes() -> None:
    facts = Facts(links=[link()], entries=[entry(GUEST), entry(ANY)])
    found = left_behind.tunnels(facts, True)
    assert found.commands == (
        "ip link set dev vxlan-7 alias 'vif-agent shared'",
        f"bridge fdb del {GUEST} dev vxlan-7 dst {PEER}",
    )
    assert found.kept == ()


def test_what_is_done_is_not_done_again() -> None:
    facts = Facts(links=[{**link(), "ifalias": "vif-agent shared"}], entries=[entry(ANY)])
    assert left_behind.tunnels(facts, True) == left_behind.Legacy((), ())


def test_a_guest_stays_known_until_its_host_is_a_peer() -> None:
    facts = Facts(links=[{**link(), "ifalias": "vif-agent shared"}], entries=[entry(GUEST)])
    found = left_behind.tunnels(facts, True)
    assert found.commands == ()
    assert found.kept == (f"vxlan-7: entries of {PEER}, until the agent knows it as a peer",)


@pytest.mark.parametrize(
    "one",
    [
        entry(GUEST, state=""),
        {**entry(GUEST), "ifname": "vxlan-8"},
        {"ifname": "vxlan-7", "mac": GUEST, "master": "brq7151fa78-2a", "state": "permanent"},
    ],
)
def test_what_the_kernel_has_learnt_and_what_is_another_devices_stays(one: dict[str, Any]) -> None:
    facts = Facts(links=[{**link(), "ifalias": "vif-agent shared"}], entries=[entry(ANY), one])
    assert left_behind.tunnels(facts, True).commands == ()


@pytest.mark.parametrize(
    ("of", "why"),
    [
        (link(group="224.0.0.1"), "goes by multicast"),
        (link(proxy=True), "answers ARP itself"),
        (link(local=None), "has no local address"),
    ],
)
def test_a_tunnel_that_the_agent_would_make_anew_stays(of: dict[str, Any], why: str) -> None:
    found = left_behind.tunnels(Facts(links=[of], entries=[entry(ANY), entry(GUEST)]), True)
    assert found.commands == ()
    (kept,) = found.kept
    assert kept.startswith(f"vxlan-7: {why}")


def test_an_agent_that_goes_by_multicast_is_not_given_a_tunnel_that_goes_by_peers() -> None:
    found = left_behind.tunnels(Facts(links=[link()], entries=[entry(ANY), entry(GUEST)]), False)
    assert found.commands == ()
    (kept,) = found.kept
    assert kept.startswith("vxlan-7: goes by peers, and the agent's own by multicast")


@pytest.mark.parametrize("of", [link(name="vxlan7"), link(name="tun0"), link(master="br0")])
def test_tunnels_of_others_are_not_touched(of: dict[str, Any]) -> None:
    assert left_behind.tunnels(Facts(links=[of]), True) == left_behind.Legacy((), ())


def test_its_rules_go_and_no_others() -> None:
    rules = {"iptables-save": "-N neutron-linuxbri-FORWARD\n", "ip6tables-save": "-N mine\n"}
    facts = Facts(bridge_rules=RULES, rules=rules, sets=["NIPv46e594fb2-", "mine"])
    assert left_behind.firewall(facts).commands == (
        "ebtables -t nat -D PREROUTING -i tape68a825b-d4 -j neutronMAC-tape68a825b-d4",
        "ebtables -t nat -D PREROUTING -p ARP -i tape68a825b-d4 -j neutronARP-tape68a825b-d4",
        "ebtables -t nat -F neutronARP-tape68a825b-d4",
        "ebtables -t nat -X neutronARP-tape68a825b-d4",
        "ebtables -t nat -F neutronMAC-tape68a825b-d4",
        "ebtables -t nat -X neutronMAC-tape68a825b-d4",
        "iptables-save | grep -v neutron-linuxbri | iptables-restore",
        "ipset destroy NIPv46e594fb2-",
    )
