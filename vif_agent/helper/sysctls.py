"""Sysctls, for which there is no netlink form: three, and only of the device of an index."""

import errno
import os
import socket

from vif_agent.helper.codec import is_device_name
from vif_agent.helper.orders import LinkOrder

_FAMILIES = {"disable_ipv6": "ipv6", "arp_ignore": "ipv4", "arp_announce": "ipv4"}


def write(order: LinkOrder, index: int) -> tuple[int, str] | None:
    """Of the device that has this index, whatever the order calls it. What failed."""
    values = {
        field: str(int(value))
        for field in _FAMILIES
        if (value := getattr(order, field, None)) is not None
    }
    if not values:
        return None
    try:
        name = socket.if_indextoname(index)
        if not is_device_name(name):  # "all" and "default" are names of devices too
            return errno.EPERM, f"a device called {name!r} has no sysctls of its own"
        for field, value in values.items():
            _write(f"/proc/sys/net/{_FAMILIES[field]}/conf/{name}", field, value)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return error.errno or errno.EIO, where + os.strerror(error.errno or 0)
    return None


def _write(directory: str, field: str, value: str) -> None:
    """IPv6 is on no device with an MTU below 1280."""
    path = f"{directory}/{field}"
    try:
        file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        if not os.path.exists(directory):
            return
        raise
    try:
        os.write(file, value.encode())
    except OSError as error:
        error.filename = path
        raise
    finally:
        os.close(file)
