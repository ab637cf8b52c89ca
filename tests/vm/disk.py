"""A guest's disk: a Debian of its own with Open vSwitch, RabbitMQ and vif-agent's package, set up
as an operator would; and the two services by which tests speak to it."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
FILES = Path(__file__).parent / "files"
PACKAGES = "iputils-ping kmod nftables openvswitch-switch python3 rabbitmq-server"
OLDER = "0.0.1"  # any: the same code is replaced by itself
_SIZE = "6G"  # of a sparse file

MANAGEMENT, FLAT, TRUNK, CARD = (f"52:54:00:00:00:{number:02x}" for number in (0x10, 0x11, 0x12, 1))


def make(release: str, package: Path, disk: Path) -> None:
    """With the package as an older version, and as /root/upgrade.deb what it is upgraded to."""
    with tempfile.TemporaryDirectory() as name, _copy_of(root(release), Path(name)) as tree:
        _as_older(package, tree / "root/package.deb")
        shutil.copy(package, tree / "root/upgrade.deb")
        _lay(tree)
        with _without_services(tree):
            _in(tree, "dpkg", "-i", "/root/package.deb")
        _set_up(tree)
        disk.unlink(missing_ok=True)
        _run("mkfs.ext4", "-q", "-d", str(tree), "-E", "lazy_itable_init=1", str(disk), _SIZE)


def root(release: str) -> Path:
    """With the packages that the guest has beside ours; made once."""
    command = (str(ROOT / "scripts/root"), release, "--with", PACKAGES)
    return Path(
        subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    )


@contextlib.contextmanager
def _copy_of(root: Path, directory: Path) -> Iterator[Path]:
    """The mount ends with it."""
    for name in ("upper", "work", "tree"):
        (directory / name).mkdir()
    tree = directory / "tree"
    options = f"lowerdir={root},upperdir={directory / 'upper'},workdir={directory / 'work'}"
    _run("mount", "-t", "overlay", "-o", options, "overlay", str(tree))
    try:
        yield tree
    finally:
        _run("umount", str(tree))


def _as_older(package: Path, to: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        _run("dpkg-deb", "-R", str(package), name)
        control = Path(name, "DEBIAN/control")
        control.write_text(re.sub(r"(?m)^Version: .*", f"Version: {OLDER}", control.read_text()))
        _run("dpkg-deb", "-Znone", "-b", name, str(to))


def _lay(tree: Path) -> None:
    """The files below files/root, and the two services' programs."""
    shutil.copytree(FILES / "root", tree, dirs_exist_ok=True)
    library = tree / "usr/local/lib/vm"
    frames = Path("vif_agent/testing/frames.py")
    (library / frames.parent).mkdir(parents=True)
    shutil.copy(ROOT / frames, library / frames)
    for source in (FILES.parent / "probe.py", FILES / "shell"):
        shutil.copy(source, library)


def _set_up(tree: Path) -> None:
    shutil.copy(FILES / "vif-agent.conf", tree / "etc/vif-agent/vif-agent.conf")
    units = ("vm-shell@shell", "vm-shell@spare", "vm-probe", "systemd-networkd", "vif-agent")
    _in(tree, "systemctl", "enable", "-q", *units)
    for plugin in (tree / "usr/lib/rabbitmq/lib").glob("*/plugins/rabbit-[0-9]*"):
        plugins = tree / "var/lib/rabbitmq/plugins"  # the broker looks through all that there are
        plugins.mkdir(exist_ok=True)
        (plugins / plugin.name).symlink_to(Path("/") / plugin.relative_to(tree))


@contextlib.contextmanager
def _without_services(tree: Path) -> Iterator[None]:
    """Debian asks it whether a package may start its service; 101 says no."""
    policy = tree / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    yield
    policy.unlink()


def _in(tree: Path, *command: str) -> None:
    _run("chroot", str(tree), *command)


def _run(*command: str) -> None:
    clean = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "DEBIAN_FRONTEND": "noninteractive",
    }
    subprocess.run(command, check=True, env=clean, stdin=subprocess.DEVNULL)
