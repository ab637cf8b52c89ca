"""Network cards by PCI address, read from sysfs: which device is a VF's, its card's, its port's.

Needs no privilege. ``root`` is a directory like /sys.
"""

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from vif_agent.errors import NotConfigured, NotYet
from vif_agent.pci_names import CARD, NETDEV, PF_ADDRESS, REPRESENTOR, VF_NUMBER

#: phys_port_name of a representor (net/core/devlink.c, and what drivers write themselves): "3",
#: "vf3", "pf0vf3", "c1pf0vf3"; "p0pf0vf3" and "p0if1pf0vf3" (sfc)
REPRESENTOR_NAME = re.compile(
    r"((c\d+|p\d+(if\d+)?)?pf(?P<pf>\d+)vf|vf)?(?P<vf>\d+)", re.IGNORECASE
)
#: a controller or an interface of the card is named when it is that of another host
_THEIRS = re.compile(r"c\d|p\d+if\d", re.IGNORECASE)
#: of the card's own port, in switchdev mode too
_UPLINK = re.compile(r"p\d+(s\d+)?", re.IGNORECASE)
#: vfio-pci, and its variants of cards that can migrate (mlx5_vfio_pci, pds_vfio_pci, ...), which
#: libvirt takes by itself where there is one
_PASSES_THROUGH = "vfio-pci"


class Pci:
    """``cards``: patterns of the cards whose VFs may be taken for ports, by name or PCI address."""

    def __init__(self, root: Path, cards: Sequence[str] = ("*",)) -> None:
        self._cards = cards
        self._devices = root / "bus/pci/devices"
        self._links = root / "class/net"

    def look_up(self, what: str, address: str) -> str:
        """The name of a place (see ``vif_agent.pci_names``); NotYet if it is not there.

        NotConfigured for a VF of a card that is not for ports. What is no VF is no place at all:
        it may be the host's own NIC.
        """
        if not (self._devices / address).exists():
            raise NotYet(f"{address}: this host has no such PCI device")
        self._check(address)
        if what == CARD:
            return self.card(address)
        if what == VF_NUMBER:
            return str(self.vf_number(address))
        if what == PF_ADDRESS:
            return self._pf(address)
        name = {NETDEV: self._netdev, REPRESENTOR: self._representor}[what](address)
        if name is None:
            raise NotYet(f"{address}: it has no {what} now")
        return name

    def _check(self, address: str) -> None:
        names = [self._pf(address)]
        with contextlib.suppress(NotYet):
            names.append(self.card(address))
        if not any(fnmatchcase(name, pattern) for name in names for pattern in self._cards):
            raise NotConfigured(
                f"{address} is a virtual function of {names[-1]}, which is not in [sriov] cards, "
                "the cards of this host whose functions a cast may name"
            )

    def vf_number(self, address: str) -> int:
        """What the card calls this VF."""
        for number, vf in _vfs(self._devices / self._pf(address)):
            if vf == address:
                return number
        raise NotYet(f"{address}: its card does not name it")

    def card(self, address: str) -> str:
        """The network device of the VF's card.

        Since Linux 5.8 the representors are among the card's devices too.
        """
        names = self._netdevs(self._pf(address))
        uplinks = [n for n in names if _UPLINK.fullmatch(self._attribute(n, "phys_port_name"))]
        plain = [n for n in names if not self._attribute(n, "phys_port_name")]
        for name in (*uplinks, *plain, *names):
            return name
        raise NotYet(f"{address}: its card has no network device now")

    def is_passed_through(self, address: str) -> bool:
        """Does a guest have it, or may it have it at any moment?"""
        driver = _target(self._devices / address / "driver")
        return driver.replace("_", "-").endswith(_PASSES_THROUGH)

    def vfs_at(self, link: str) -> Iterator[str]:
        """The VFs of which an event of this network device may tell: its own, and its card's."""
        device = self._links / link / "device"
        if "physfn" in _names(device):
            yield _target(device)
        yield from (vf for _, vf in _vfs(device))

    def _pf(self, address: str) -> str:
        card = _target(self._devices / address / "physfn")
        if not card:
            raise NotYet(f"{address}: it is not a virtual function now")
        return card

    def _netdevs(self, address: str) -> list[str]:
        return _names(self._devices / address / "net")

    def _netdev(self, address: str) -> str | None:
        return next(iter(self._netdevs(address)), None)

    def _representor(self, address: str) -> str | None:
        card, pf = self.card(address), self._pf(address)
        if not (switch := self._attribute(card, "phys_switch_id")):
            return None
        number, function = self.vf_number(address), int(pf.rpartition(".")[2])
        for names in (self._netdevs(pf), _names(self._links)):
            ports = [
                n for n in names if n != card and self._attribute(n, "phys_switch_id") == switch
            ]
            fitting = [n for n in ports if self._is_of(n, function, number)]
            if fitting:
                return min(fitting, key=self._is_of_another_host)
        return None

    def _is_of(self, port: str, pf: int, vf: int) -> bool:
        name = REPRESENTOR_NAME.fullmatch(self._attribute(port, "phys_port_name"))
        return name is not None and (int(name["pf"] or pf), int(name["vf"])) == (pf, vf)

    def _is_of_another_host(self, port: str) -> bool:
        return bool(_THEIRS.match(self._attribute(port, "phys_port_name")))

    def _attribute(self, link: str, attribute: str) -> str:
        """A driver that has no such thing makes it unreadable (EOPNOTSUPP)."""
        try:
            return (self._links / link / attribute).read_text().strip()
        except OSError:
            return ""


def _vfs(card: Path) -> Iterator[tuple[int, str]]:
    """The card's number for each of its VFs, and the address."""
    for name in _names(card):
        if name.startswith("virtfn"):
            yield int(name.removeprefix("virtfn")), _target(card / name)


def _target(link: Path) -> str:
    """The last word of where it points. Path.resolve() fails when a part goes meanwhile."""
    try:
        return os.path.basename(os.readlink(link))
    except OSError:
        return ""


def _names(directory: Path) -> list[str]:
    """What is in it; it may go at any moment, even while it is read."""
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []
