"""Runs a command as the unit file would have systemd run it, as far as a process can do so itself:
``python -m tests.support.sandbox UNIT COMMAND...``, as root.

What is taken from the unit: the system calls (SystemCallFilter=, SystemCallErrorNumber=EPERM, by
libseccomp, as systemd does), NoNewPrivileges=, UMask=, LimitCORE=, the one capability. Not: the
account (test_privileges has that), mounts of its own, devices, address families, cgroups.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ALLOW = 0x7FFF0000
DENY = 0x00050000 | errno.EPERM
_NET_ADMIN = 12
_DROP_FROM_BOUNDING_SET, _NO_NEW_PRIVS = 24, 38  # prctl(2)
#: what systemd lets every service do (@default)
_ALWAYS = "@default"


def settings(unit: Path, name: str) -> list[str]:
    """The values of a setting, in the order of their lines."""
    lines = unit.read_text().splitlines()
    return [line.partition("=")[2] for line in lines if line.startswith(f"{name}=")]


def allowed(unit: Path) -> set[str]:
    """By name. The first line is a list of what may be called; those with "~" take from it."""
    calls = set(_calls(_ALWAYS))
    for line in settings(unit, "SystemCallFilter"):
        named = {call for word in line.removeprefix("~").split() for call in _calls(word)}
        calls = calls - named if line.startswith("~") else calls | named
    return calls


def _calls(word: str) -> Iterator[str]:
    if not word.startswith("@"):
        yield word
        return
    answer = subprocess.run(
        ("systemd-analyze", "syscall-filter", word), capture_output=True, text=True, check=True
    )
    for line in answer.stdout.splitlines()[1:]:
        if (inner := line.strip()) and not inner.startswith("#"):
            yield from _calls(inner)


def confine(unit: Path) -> None:
    """This process, and all that it executes."""
    (umask,) = settings(unit, "UMask")
    (core,) = settings(unit, "LimitCORE")
    os.umask(int(umask, 8))
    resource.setrlimit(resource.RLIMIT_CORE, (int(core), int(core)))
    _load(allowed(unit))


def _load(calls: set[str]) -> None:
    library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(DENY)))
    for name in sorted(calls):
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # others are another architecture's
            _done(library.seccomp_rule_add(context, ctypes.c_uint32(ALLOW), number, 0))
    _done(library.seccomp_load(context))


def _done(status: int) -> None:
    if status:
        raise OSError(-status, os.strerror(-status))


def main() -> None:
    prctl = ctypes.CDLL(None).prctl
    for capability in set(range(64)) - {_NET_ADMIN}:
        prctl(_DROP_FROM_BOUNDING_SET, capability, 0, 0, 0)
    prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
    confine(Path(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
