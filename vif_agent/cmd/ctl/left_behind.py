"""What Neutron's linux bridge agent has left on a host, and the commands that hand it over. Pure.

Each command is one of the shell's, so what is shown is what is done.
"""

import dataclasses
import re
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from vif_agent.ownership import SHARED, alias

_ANY_OTHER = "00:00:00:00:00:00"
_TUNNEL = re.compile(r"vxlan-\d+\Z")
_JUMP = re.compile(r"(?:-p ARP )?-i (tap\S+) -j (?P<chain>neutron(?:ARP|MAC)-\1)\s*\Z")
_CHAIN = re.compile(r"Bridge chain: (neutron(?:ARP|MAC)-tap[^,]+),")
#: of its chains, in iptables; those of Neutron's other agents begin otherwise
_MARK = "neutron-linuxbri"
_SETS = ("NIPv4", "NIPv6")


@dataclasses.dataclass(frozen=True)
class Facts:
    """Answers of ip, bridge, ebtables, iptables-save and ipset; empty where there is none."""

    links: Sequence[Mapping[str, Any]] = ()
    entries: Sequence[Mapping[str, Any]] = ()
    bridge_rules: str = ""
    rules: Mapping[str, str] = dataclasses.field(default_factory=dict)
    sets: Sequence[str] = ()


@dataclasses.dataclass(frozen=True)
class Legacy:
    """``commands`` for a shell; ``kept``: what stays, and why."""

    commands: tuple[str, ...]
    kept: tuple[str, ...]


def tunnels(facts: Facts, by_peers: bool) -> Legacy:
    """VXLAN devices that l2population has filled become the agent's, which keeps their peers; what
    was told of single guests goes, for nobody tells when they move. ``by_peers``: so the agent
    makes its own; else it would make these anew, by multicast."""
    commands: list[str] = []
    kept: list[str] = []
    for link in facts.links:
        name, data = link["ifname"], link.get("linkinfo", {}).get("info_data", {})
        if not _TUNNEL.match(name) or "brq" not in link.get("master", ""):
            continue
        if why := _unfit(data, by_peers):
            kept.append(f"{name}: {why}")
            continue
        if not link.get("ifalias"):
            commands.append(f"ip link set dev {name} alias {shlex.quote(alias(SHARED))}")
        stale, left = _told_of_guests(name, facts.entries)
        commands += stale
        kept += left
    return Legacy(tuple(commands), tuple(kept))


def firewall(facts: Facts) -> Legacy:
    """Its rules, which nobody keeps in step with Neutron any more."""
    commands = [*_bridge_rules(facts.bridge_rules)]
    for save, rules in facts.rules.items():
        if _MARK in rules:
            commands.append(f"{save} | grep -v {_MARK} | {save.replace('save', 'restore')}")
    commands += [f"ipset destroy {name}" for name in facts.sets if name.startswith(_SETS)]
    return Legacy(tuple(commands), ())


def _unfit(data: Mapping[str, Any], by_peers: bool) -> str:
    if data.get("group") or data.get("group6"):
        return "goes by multicast; used as it is, so [neutron] vxlan_peers stays off"
    if data.get("proxy"):
        return (
            "answers ARP itself (arp_responder), and drops what it does not know: delete it while "
            "the agent runs, which makes its own at once; frames of that moment are lost"
        )
    if not data.get("local") and not data.get("local6"):
        return "has no local address; used as it is"
    if not by_peers:
        return "goes by peers, and the agent's own by multicast: set [neutron] vxlan_peers = true"
    return ""


def _told_of_guests(name: str, entries: Iterable[Mapping[str, Any]]) -> tuple[list[str], list[str]]:
    mine = [e for e in entries if e["ifname"] == name and "dst" in e and _lasts(e)]
    peers = {entry["dst"] for entry in mine if entry["mac"] == _ANY_OTHER}
    guests = [entry for entry in mine if entry["mac"] != _ANY_OTHER]
    stale = [
        f"bridge fdb del {entry['mac']} dev {name} dst {entry['dst']}"
        for entry in guests
        if entry["dst"] in peers
    ]
    left = sorted({entry["dst"] for entry in guests} - peers)
    kept = [f"{name}: entries of {ip}, until the agent knows it as a peer" for ip in left]
    return stale, kept


def _lasts(entry: Mapping[str, Any]) -> bool:
    """What the kernel has learnt itself it forgets, too."""
    return entry.get("state") == "permanent"


def _bridge_rules(listed: str) -> Iterator[str]:
    """The jumps first: a chain that is jumped to cannot go."""
    chains: Collection[str] = _CHAIN.findall(listed)
    for line in listed.splitlines():
        if (jump := _JUMP.match(line.strip())) and jump["chain"] in chains:
            yield f"ebtables -t nat -D PREROUTING {line.strip()}"
    for chain in chains:
        yield f"ebtables -t nat -F {chain}"
        yield f"ebtables -t nat -X {chain}"
