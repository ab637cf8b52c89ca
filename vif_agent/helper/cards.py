"""Is a network device one that an SR-IOV card has for its virtual functions? Read from sysfs.

Either a VF's own device, or its representor. The card's own port is neither: it is the host's NIC.
"""

from pathlib import Path

from vif_agent.helper.allowed import names
from vif_agent.host.pci import REPRESENTOR_NAME

_NETS = Path("/sys/class/net")


def is_of_card(device: str, cards: tuple[str, ...], nets: Path = _NETS) -> bool:
    """Of a card that these patterns name, by its link or its PCI address?"""
    if function := _target(nets / device / "device/physfn"):
        return names(cards, [function, *_links_of(function, nets)])
    if not _is_representor(nets / device):
        return False
    switch = _attribute(nets / device, "phys_switch_id")
    return bool(switch) and any(
        _attribute(other, "phys_switch_id") == switch and is_card(other.name, cards, nets)
        for other in _all(nets)
        if not _is_representor(other)
    )


def is_card(device: str, cards: tuple[str, ...], nets: Path = _NETS) -> bool:
    """Do these patterns name it, by the device or by its PCI address?"""
    address = _target(nets / device / "device")
    return names(cards, [device, address] if address else [device])


def _is_representor(link: Path) -> bool:
    return bool(REPRESENTOR_NAME.fullmatch(_attribute(link, "phys_port_name")))


def _links_of(function: str, nets: Path) -> list[str]:
    return [link.name for link in _all(nets) if _target(link / "device") == function]


def _all(nets: Path) -> list[Path]:
    try:
        return list(nets.iterdir())
    except OSError:
        return []


def _target(link: Path) -> str:
    try:
        return link.readlink().name
    except OSError:
        return ""


def _attribute(link: Path, name: str) -> str:
    """A driver that has no such thing makes it unreadable (EOPNOTSUPP)."""
    try:
        return (link / name).read_text().strip()
    except OSError:
        return ""
