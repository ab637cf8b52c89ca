"""scripts/test-vm: with arguments pytest's, in a guest with this machine's root; without any the
tests that such a guest is needed for, then the life of a host that boots by itself, and a table."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.vm import disk, in_guest, table
from tests.vm.qemu import VM
from vif_agent.testing import guard

RELEASE = "bookworm"
TESTS = [
    *(f"tests/plugging/test_{name}.py" for name in
      ("card", "guarded_frames", "macvtap", "plugging", "two_hosts")),
    "tests/plugins/test_conformance.py",
    *("-k", "(card or guarded_frames or macvtap or vlan) and (each_twice or not conformance)"),
]  # fmt: skip


def main(arguments: list[str]) -> int:
    if arguments and arguments[0] != "--boots":
        return in_guest.run(arguments)
    tests, life = VM / "tests.xml", VM / "life.xml"
    for results in (tests, life):
        results.unlink(missing_ok=True)
    statuses = [] if arguments else [in_guest.run(TESTS, tests)]
    statuses.append(boots(life, arguments[1:]))
    found = [row for file in (tests, life) if file.exists() for row in table.rows(kernel(), file)]
    sys.stdout.write(
        f"\n== what ran on which kernel, and what was skipped\n\n{table.text(found)}\n"
    )
    return max(statuses)


def boots(results: Path, arguments: list[str]) -> int:
    image = VM / f"disk-{RELEASE}"
    disk.make(RELEASE, package(), image)
    command = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-v", "-x", "tests/vm")
    environment = {**os.environ, "VIF_AGENT_VM_DISK": str(image), "VIF_AGENT_VM_RELEASE": RELEASE}
    process = subprocess.Popen((*command, f"--junitxml={results}", *arguments), env=environment)
    return guard.watch(process).wait()


def package() -> Path:
    command = (str(disk.ROOT / "scripts/package"), RELEASE)
    return Path(
        subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    )


def kernel() -> str:
    return next((VM / f"kernel-{RELEASE}" / "modules").iterdir()).name


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
