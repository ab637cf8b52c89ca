"""Runs a program as on a kernel without nfnetlink: `python without_nftables.py PROGRAM ...`.

A seccomp filter answers EPROTONOSUPPORT to socket(AF_NETLINK, ..., NETLINK_NETFILTER), as such a
kernel does; it stays for all that the program starts.
"""

import ctypes
import errno
import os
import platform
import struct
import sys

_SOCKET = {"x86_64": 41, "aarch64": 198}
_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _SECCOMP_MODE_FILTER = 22, 38, 2
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06  # classic BPF
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NETLINK, _NETFILTER = 16, 12
_NUMBER, _FAMILY, _PROTOCOL = 0, 16, 32  # where they stand in struct seccomp_data


def _program(socket: int) -> bytes:
    instructions = [
        (_LOAD, 0, 0, _NUMBER),
        (_EQUAL, 0, 5, socket),
        (_LOAD, 0, 0, _FAMILY),
        (_EQUAL, 0, 3, _NETLINK),
        (_LOAD, 0, 0, _PROTOCOL),
        (_EQUAL, 0, 1, _NETFILTER),
        (_RETURN, 0, 0, _ERRNO | errno.EPROTONOSUPPORT),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("HBBI", *instruction) for instruction in instructions)


def main() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    code = ctypes.create_string_buffer(program := _program(_SOCKET[platform.machine()]))
    filter_ = struct.pack("HL", len(program) // 8, ctypes.addressof(code))
    for option, value in (
        (_PR_SET_NO_NEW_PRIVS, 1),
        (_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER),
    ):
        if libc.prctl(option, value, filter_ if option == _PR_SET_SECCOMP else 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
