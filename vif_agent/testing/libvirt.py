"""A real libvirtd of one's own, as PrivateOvs is a real Open vSwitch; its guests are emulated.

A domain's ``<emulator>`` is EMULATOR.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from vif_agent.testing import processes
from vif_agent.testing.processes import Private, Process

EMULATOR = "/run/qemu-one-thread"  # of libvirtd's own /run
#: several threads, QEMU's default for a guest of several CPUs, damage its memory on a busy machine
_ONE_THREAD = """#!/bin/sh
for word; do
    shift
    case $word in tcg) word=tcg,thread=single ;; esac
    set -- "$@" "$word"
done
exec qemu-system-x86_64 "$@"
"""
#: paths that libvirt was compiled with: the directory's own of the same name are mounted there
_PLACES = ("etc/libvirt", "var/lib/libvirt", "var/log/libvirt", "var/cache/libvirt")
#: Debian's, of libvirt-daemon-system: looked up at the start, whatever qemu.conf says
_ACCOUNT = {
    "passwd": "libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin\n",
    "group": "libvirt-qemu:x:64055:\n",
}
_DAEMON = """
listen_tls = 0
auth_unix_rw = "none"
unix_sock_group = "root"
unix_sock_dir = "{directory}"
log_outputs = "2:file:{directory}/libvirtd.log"
host_uuid = "{uuid}"
"""
#: no account of Debian's libvirt package, no cgroup, no AppArmor, no virtlogd
_QEMU = """
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
cgroup_controllers = []
namespaces = []
security_driver = "none"
stdio_handler = "file"
migration_address = "0.0.0.0"
"""
#: process 1 of its own namespace, so that no guest outlives it. QEMU cannot tell a /dev/kvm that
#: does not work (nested, on some clouds) from one that does, and libvirt asks QEMU
_INIT = """
set -e
name=$1 directory=$2
shift 2
hostname "$name"
mount -t sysfs sysfs /sys 2>/dev/null || : it is that of this namespace already
mount -t tmpfs tmpfs /run
cp "$directory/qemu" /run/qemu-one-thread
[ ! -e /dev/kvm ] || mount --bind /dev/null /dev/kvm
for file in passwd group; do mount --bind "$directory/etc/$file" "/etc/$file"; done
for place in "$@"; do
    mkdir -p "/$place" "$directory/$place"
    mount --bind "$directory/$place" "/$place"
done
trap 'kill $daemon' TERM
libvirtd --config "$directory/libvirtd.conf" --pid-file "$directory/libvirtd.pid" &
daemon=$!
wait $daemon || wait $daemon
"""
_APART = ("unshare", "--mount", "--uts", "--pid", "--mount-proc", "--fork", "--kill-child=KILL")


class PrivateLibvirt(Private):
    """Its files are in ``directory``; it works in the network namespace of the thread that starts
    it. ``name``: the host's, as guests that move see it. ``ovs``: the directory of a PrivateOvs,
    for guests with ports of libvirt's own making.
    """

    def __init__(self, directory: Path, name: str, uuid: str, ovs: Path | None = None) -> None:
        self.directory = directory
        self.name = name
        self.uri = f"qemu:///system?socket={directory}/libvirt-sock"
        self._uuid = uuid
        self._env = os.environ | ({"OVS_RUNDIR": str(ovs)} if ovs else {})
        self._daemon: Process | None = None

    def start(self) -> None:
        """Returns when it answers."""
        self._write_files()
        argv = (*_APART, "sh", "-c", _INIT, "sh", self.name, str(self.directory), *_PLACES)
        self._daemon = processes.start(argv, self._env, self.directory / "libvirtd.out")
        try:
            processes.wait_until(self._answers, "libvirtd", self._daemon, timeout=60)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Its guests end with it."""
        processes.kill(self._daemon)
        self._daemon = None

    def virsh(self, *arguments: str, timeout: float = 120) -> str:
        """What virsh prints."""
        return processes.run(("virsh", "-q", "-c", self.uri, *arguments), os.environ, timeout)

    def versions(self) -> dict[str, str]:
        """Of libvirt's library and daemon, and of QEMU."""
        lines = self.virsh("version", "--daemon").splitlines()
        pairs = [line.partition(": ")[::2] for line in lines]
        return {name.strip(): value.strip() for name, value in pairs}

    def log(self) -> str:
        """Of libvirtd, and of each guest's QEMU."""
        files = [self.directory / "libvirtd.out", self.directory / "libvirtd.log"]
        files += sorted((self.directory / "var/log/libvirt/qemu").glob("*.log"))
        return "".join(file.read_text(errors="replace") for file in files if file.exists())

    def _write_files(self) -> None:
        etc = self.directory / "etc"
        etc.joinpath("libvirt").mkdir(parents=True, exist_ok=True)
        etc.joinpath("libvirt/qemu.conf").write_text(_QEMU)
        for name, line in _ACCOUNT.items():
            etc.joinpath(name).write_text(Path("/etc", name).read_text() + line)
        self.directory.joinpath("qemu").write_text(_ONE_THREAD)
        self.directory.joinpath("qemu").chmod(0o755)
        settings = {"directory": self.directory, "uuid": self._uuid}
        self.directory.joinpath("libvirtd.conf").write_text(_DAEMON.format_map(settings))

    def _answers(self) -> bool:
        with contextlib.suppress(RuntimeError):
            self.virsh("list")
            return True
        return False
