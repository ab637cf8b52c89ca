"""QEMU's command line: what all guests have. scripts/vm has unpacked QEMU and the kernels."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

VM = Path(__file__).parent.parent.parent / ".vm"
_QEMU = VM / "qemu"
_LIBRARIES = _QEMU / "usr/lib/x86_64-linux-gnu"
_FIRMWARE = ("usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu")


def argv(release: str, memory: int, kernel_arguments: str, devices: Iterable[str]) -> list[str]:
    """Of a guest with the kernel of this Debian release. By emulation: KVM is not to be had
    everywhere, and where it is nested it may not boot such a kernel."""
    kernel = VM / f"kernel-{release}"
    modules = next((kernel / "modules").iterdir())
    return [
        *(str(_QEMU / "usr/bin/qemu-system-x86_64"), "-M", "q35", "-cpu", "max", "-smp", "2"),
        *("-accel", "tcg,thread=multi,tb-size=512", "-m", str(memory)),
        *(word for path in _FIRMWARE for word in ("-L", str(_QEMU / path))),
        *("-display", "none", "-nodefaults", "-serial", "stdio"),
        *("-kernel", str(kernel / "vmlinuz"), "-initrd", str(kernel / "initrd")),
        *("-append", f"console=ttyS0 panic=-1 quiet {kernel_arguments}"),
        *shared(modules, "modules"),
        *devices,
    ]


def environment() -> dict[str, str]:
    """What QEMU needs where it is not installed."""
    return {
        **os.environ,
        "QEMU_MODULE_DIR": str(_LIBRARIES / "qemu"),
        "LD_LIBRARY_PATH": f"{_LIBRARIES}:{_QEMU / 'lib/x86_64-linux-gnu'}",
    }


def shared(directory: Path, tag: str, readonly: bool = True) -> tuple[str, str]:
    """A directory of this machine, for the guest to mount."""
    options = f"local,path={directory},mount_tag={tag},security_model=none,multidevs=remap"
    return "-virtfs", options + ",readonly=on" * readonly


def card(netdev: str, bus: str = "rp1") -> tuple[str, ...]:
    """An SR-IOV card, on a port of its own as it must be."""
    return (
        *("-device", f"pcie-root-port,id={bus},slot=1"),
        *("-device", f"igb,bus={bus},netdev={netdev},mac=52:54:00:00:00:01"),
    )
