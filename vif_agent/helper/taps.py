"""Taps come by ioctl: netlink refuses the kind "tun"."""

import contextlib
import fcntl
import os
import struct
from collections.abc import Iterator

_TUNSETIFF, _TUNSETPERSIST, _TUNSETOWNER = 0x400454CA, 0x400454CB, 0x400454CC
_IFF_TAP, _IFF_NO_PI, _IFF_MULTI_QUEUE, _IFF_TUN_EXCL = 0x0002, 0x1000, 0x0100, 0x8000


@contextlib.contextmanager
def creating(tun_device: str, name: str, multi_queue: bool, owner: int | None) -> Iterator[None]:
    """Make a tap. OSError: EBUSY if a tun of that name exists, EPERM, ENOENT.

    It outlives this process only when the body has ended well: whatever kills us before that, the
    kernel takes the tap too. ``owner``: the uid that may open it, besides who has CAP_NET_ADMIN;
    None: ours. One without an owner any user of the host could open, for everybody may write to
    /dev/net/tun, and read and write frames as the guest.
    """
    flags = _IFF_TAP | _IFF_NO_PI | _IFF_TUN_EXCL | (_IFF_MULTI_QUEUE if multi_queue else 0)
    control = os.open(tun_device, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(control, _TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
        fcntl.ioctl(control, _TUNSETOWNER, os.geteuid() if owner is None else owner)
        yield
        fcntl.ioctl(control, _TUNSETPERSIST, 1)
    finally:
        os.close(control)
