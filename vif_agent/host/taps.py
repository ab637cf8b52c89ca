"""Taps come by ioctl: netlink refuses the kind "tun". Persistent, so they outlive this process."""

import fcntl
import os
import struct

_TUNSETIFF, _TUNSETPERSIST = 0x400454CA, 0x400454CB
_IFF_TAP, _IFF_NO_PI, _IFF_MULTI_QUEUE, _IFF_TUN_EXCL = 0x0002, 0x1000, 0x0100, 0x8000


def make(tun_device: str, name: str, multi_queue: bool) -> None:
    """Make a persistent tap. OSError: EBUSY if a tun of that name exists, EPERM, ENOENT."""
    flags = _IFF_TAP | _IFF_NO_PI | _IFF_TUN_EXCL | (_IFF_MULTI_QUEUE if multi_queue else 0)
    control = os.open(tun_device, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(control, _TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
        fcntl.ioctl(control, _TUNSETPERSIST, 1)
    finally:
        os.close(control)
