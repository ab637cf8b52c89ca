"""Does the firewall of the host drop what passes a linux bridge?

br_netfilter gives bridged frames to the chains at FORWARD, and Docker sets their policy to drop.
"""

import socket
import struct
from collections.abc import Collection
from pathlib import Path

from vif_agent.host.netlink.rtnetlink import attributes

_BRIDGED = Path("/proc/sys/net/bridge")
_SWITCHES = {"bridge-nf-call-iptables": (1, 2), "bridge-nf-call-ip6tables": (1, 10)}
#: NFPROTO_*, as `nft` calls them
_FAMILIES = {1: "inet", 2: "ip", 10: "ip6"}
# include/uapi/linux/netfilter/nfnetlink.h and nf_tables.h; a chain's numbers are big-endian
_NETLINK_NETFILTER, _GET_CHAIN, _NEW_CHAIN = 12, 10 << 8 | 4, 10 << 8 | 3
_REQUEST_DUMP, _ERROR, _DONE = 0x301, 2, 3
_TABLE, _NAME, _HOOK, _POLICY, _HOOK_NUMBER, _FORWARD, _DROP = 1, 3, 4, 5, 1, 2, 0


def concerned() -> set[int]:
    """The families of chains that bridged frames go through."""
    on = [families for switch, families in _SWITCHES.items() if _is_on(switch)]
    return {family for families in on for family in families}


def words(chains: Collection[str]) -> str:
    """For ``check`` and the log; empty for no chain."""
    if not chains:
        return ""
    return (
        "frames in it go through the host's firewall (net.bridge.bridge-nf-call-*), and its chain "
        f"{', '.join(chains)} drops what no rule of it lets pass"
    )


def dropping(families: Collection[int]) -> list[str]:
    """Family, table and name of base chains at FORWARD with the policy drop.

    The kernel shows them to CAP_NET_ADMIN only.
    """
    return [f"{_FAMILIES[f]} {table} {name}" for f, table, name in _dropping(families)]


def _is_on(switch: str) -> bool:
    path = _BRIDGED / switch
    return path.exists() and path.read_text().strip() == "1"


def _dropping(families: Collection[int]) -> list[tuple[int, str, str]]:
    """Family, table and name of base chains at FORWARD with the policy drop."""
    try:
        chains = [chain for chain in map(_chain, _chains()) if chain] if families else []
        return [chain for chain in chains if chain[0] in families]
    except OSError:  # a kernel without nf_tables
        return []


def _chain(body: bytes) -> tuple[int, str, str] | None:
    found = attributes(body, 4)
    hook = attributes(found.get(_HOOK, b""))
    at_forward = hook.get(_HOOK_NUMBER) == struct.pack("!I", _FORWARD)
    if body[0] not in _FAMILIES or not at_forward or found.get(_POLICY) != struct.pack("!I", _DROP):
        return None
    table, name = (found.get(kind, b"").rstrip(b"\0").decode() for kind in (_TABLE, _NAME))
    return body[0], table, name


def _chains() -> list[bytes]:
    bodies: list[bytes] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as asking:
        asking.bind((0, 0))
        asking.send(struct.pack("=IHHII", 20, _GET_CHAIN, _REQUEST_DUMP, 1, 0) + bytes(4))
        while True:
            data, offset = asking.recv(1 << 20), 0
            while offset < len(data):
                length, kind = struct.unpack_from("=IH", data, offset)
                if kind == _ERROR:
                    raise OSError(-struct.unpack_from("=i", data, offset + 16)[0], "nf_tables")
                if kind == _DONE:
                    return bodies
                if kind == _NEW_CHAIN:
                    bodies.append(data[offset + 16 : offset + length])
                offset += (length + 3) & ~3
