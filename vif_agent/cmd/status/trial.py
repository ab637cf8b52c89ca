"""``python -m vif_agent.cmd.status.trial TUN_DEVICE FEATURE...``: what the kernel lacks of
these: a kind of link, or one of TAP, GUARDS, ROUTED_GUARDS.

In a process of its own, which is in a network namespace of its own: there it may make what it
likes, and all of it goes when this ends. Without root it takes a user namespace, too, in which
everybody has all capabilities, unless the machine is set up to give none there (AppArmor's
restriction in Ubuntu 24.04).
"""

import ctypes
import errno
import fcntl
import json
import os
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

from vif_agent.helper import guards
from vif_agent.host.netlink import iflink
from vif_agent.host.netlink.rtnetlink import NEW, LinkRequest, Socket, raw, text
from vif_agent.host.nft.netlink import NftSocket

TAP, GUARDS, ROUTED_GUARDS = "tap", "nf_tables", "nf_tables for routed taps"

_NEWUSER, _NEWNET = 0x10000000, 0x40000000
_TUNGETFEATURES = 0x800454CF
_IFF_TAP = 0x0002
_CAP_NET_ADMIN = 12


def main() -> None:
    """Prints a JSON object: by feature what is said of it; by "" why nothing could be tried."""
    tun_device, *features = sys.argv[1:]
    try:
        _leave()
    except OSError as error:
        print(json.dumps({"": error.strerror}))
        return
    print(json.dumps(lacks(tun_device, features)))


def lacks(tun_device: str, features: Sequence[str]) -> dict[str, str]:
    """Those that are missing."""
    found = {feature: _lack(feature, tun_device) for feature in features}
    return {feature: why for feature, why in found.items() if why}


def _lack(feature: str, tun_device: str) -> str:
    try:
        if feature == TAP:
            return _no_tap(tun_device)
        if feature in (GUARDS, ROUTED_GUARDS):
            with NftSocket() as netlink:
                return guards.Guards(netlink).lacks(feature == ROUTED_GUARDS)
        return _no_link(feature)
    except OSError as error:
        return error.strerror or str(error)


def _no_tap(tun_device: str) -> str:
    """It is asked what it can do, and makes nothing."""
    control = os.open(tun_device, os.O_RDWR | os.O_CLOEXEC)
    try:
        (flags,) = struct.unpack("I", fcntl.ioctl(control, _TUNGETFEATURES, bytes(4)))
    finally:
        os.close(control)
    return "" if flags & _IFF_TAP else "it makes none"


def _no_link(kind: str) -> str:
    """One without anything that its kind wants: only a kind that is unknown is not supported."""
    named = text(iflink.IFNAME, f"try-{kind}")
    with Socket() as netlink:
        info = raw(iflink.LINKINFO, text(iflink.INFO_KIND, kind))
        (answer,) = netlink.ask([LinkRequest(NEW, named + info)])
    return answer.text if answer.errno == errno.EOPNOTSUPP else ""


def _leave() -> None:
    flags = _NEWNET if os.geteuid() == 0 else _NEWNET | _NEWUSER
    if ctypes.CDLL(None, use_errno=True).unshare(flags):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    if not _may_make_links():
        raise OSError(errno.EPERM, "no CAP_NET_ADMIN in a network namespace of its own")


def _may_make_links() -> bool:
    """Else every feature would look missing."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (mask,) = (line.split()[1] for line in lines if line.startswith("CapEff:"))
    return bool(int(mask, 16) >> _CAP_NET_ADMIN & 1)


if __name__ == "__main__":
    main()
