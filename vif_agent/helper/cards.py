"""Is a network device one that an SR-IOV card has for its virtual functions? Read from sysfs.

Either a VF's own device, or its representor. The card's own port is neither: it is the host's NIC.
"""

import re
from pathlib import Path

from vif_agent.helper.allowed import names

#: phys_port_name of a representor, as in ``vif_agent.host.pci``
_REPRESENTOR = re.compile(r"((c\d+|p\d+(if\d+)?)?pf\d+vf|vf)?\d+", re.IGNORECASE)
_NETS = Path("/sys/class/net")


def is_of_card(device: str, cards: tuple[str, ...]) -> bool:
    """Of a card that these patterns name, by its link or its PCI address?"""
    if function := _target(_NETS / device / "device/physfn"):
        return names(cards, [function, *_links_of(function)])
    if not _REPRESENTOR.fullmatch(_said(device, "phys_port_name")):
        return False
    switch = _said(device, "phys_switch_id")
    return bool(switch) and any(
        _said(other.name, "phys_switch_id") == switch and is_card(other.name, cards)
        for other in _all()
        if not _REPRESENTOR.fullmatch(_said(other.name, "phys_port_name"))
    )


def is_card(device: str, cards: tuple[str, ...]) -> bool:
    """By its name or PCI address, is it among ``cards``?"""
    address = _target(_NETS / device / "device")
    return names(cards, [device, address] if address else [device])


def _links_of(function: str) -> list[str]:
    return [link.name for link in _all() if _target(link / "device") == function]


def _all() -> list[Path]:
    try:
        return list(_NETS.iterdir())
    except OSError:
        return []


def _target(link: Path) -> str:
    try:
        return link.readlink().name
    except OSError:
        return ""


def _said(device: str, attribute: str) -> str:
    """A driver that has no such thing makes it unreadable (EOPNOTSUPP)."""
    try:
        return (_NETS / device / attribute).read_text().strip()
    except OSError:
        return ""
