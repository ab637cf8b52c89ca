"""pytest in a guest that has this machine's root, on another kernel: ``python -m
tests.vm.in_guest`` with pytest's arguments. What is written there is gone with the guest."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.vm import qemu
from vif_agent.testing import guard

_ROOT = Path(__file__).parent.parent.parent
_LIMIT = 3600  # seconds
_RUN = """\
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
mountpoint -q /run || mount -t tmpfs tmpfs /run
mkdir -p -m 1777 /run/tmp
export TMPDIR=/run/tmp # not a tmpfs on /tmp: it would hide a checkout that is there
mkdir -p /run/netns /dev/shm /dev/pts /dev/net
mount -t tmpfs tmpfs /dev/shm
mount -t devpts devpts /dev/pts
modprobe -a igb igbvf 8021q dummy macvtap bridge veth tun openvswitch
cd {root}
export VIF_AGENT_TEST_CARD=$(cd /sys/class/net && dirname "$(dirname */device/sriov_totalvfs)")
set -- -p no:cacheprovider --timeout 600 -rs --junitxml=/share/results {arguments}
.venv/bin/pytest "$@" >/dev/ttyS0 2>&1
echo $? >/share/status
sync
echo o >/proc/sysrq-trigger
sleep 60
"""


def run(arguments: Sequence[str], results: Path | None = None, release: str = "bookworm") -> int:
    """pytest's exit status, and 1 if it never came to that. ``results``: of its JUnit file."""
    with tempfile.TemporaryDirectory() as name:
        share = Path(name)
        (share / "run").write_text(
            _RUN.format(root=shlex.quote(str(_ROOT)), arguments=shlex.join(arguments))
        )
        devices = (
            *("-no-reboot", "-netdev", "hubport,id=n0,hubid=0", *qemu.card("n0")),
            *qemu.shared(Path("/"), "hostroot"),
            *qemu.shared(share, "share", readonly=False),
        )
        process = subprocess.Popen(
            qemu.argv(release, 1600, "", devices),
            env=qemu.environment(),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        guard.watch(process)
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_LIMIT)
        finally:
            process.kill()
            process.wait()
        if results and (share / "results").exists():
            shutil.copy(share / "results", results)
        status = share / "status"
        return int(status.read_text()) if status.exists() else 1


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
