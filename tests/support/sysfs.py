"""A tree of files like the parts of /sys that tell of SR-IOV cards."""

from __future__ import annotations

from pathlib import Path

CARD = "0000:03:00.0"


class Sysfs:
    def __init__(self, root: Path) -> None:
        self.root = root
        self._functions = root / "devices/pci0000:00"
        for directory in (self._functions, self._all_functions, self._links):
            directory.mkdir(parents=True)

    @property
    def _all_functions(self) -> Path:
        return self.root / "bus/pci/devices"

    @property
    def _links(self) -> Path:
        return self.root / "class/net"

    def function(self, address: str = CARD, driver: str = "") -> None:
        path = self._functions / address
        path.mkdir()
        (self._all_functions / address).symlink_to(path)
        if driver:
            (path / "driver").symlink_to(self.root / "bus/pci/drivers" / driver)

    def vf(self, address: str, number: int, card: str = CARD, driver: str = "") -> None:
        self.function(address, driver)
        (self._functions / address / "physfn").symlink_to(self._functions / card)
        (self._functions / card / f"virtfn{number}").symlink_to(self._functions / address)

    def link(
        self, name: str, function: str | None = None, port: str | None = "", switch: str = ""
    ) -> None:
        """``port``: None makes it unreadable, as for a driver that has none."""
        parent = self._functions / function / "net" if function else self.root / "devices/virtual"
        path = parent / name
        path.mkdir(parents=True)
        (self._links / name).symlink_to(path)
        if function:
            (path / "device").symlink_to(self._functions / function)
        (path / "phys_switch_id").write_text(switch + "\n" if switch else "")
        if port is None:
            (path / "phys_port_name").mkdir()
        else:
            (path / "phys_port_name").write_text(port + "\n" if port else "")

    def rename(self, name: str, new: str) -> None:
        link = self._links / name
        path = link.resolve()
        link.unlink()
        (self._links / new).symlink_to(path.rename(path.with_name(new)))
