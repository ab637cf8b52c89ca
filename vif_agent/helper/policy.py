"""What the privileged helper does at nobody's word: it trusts its caller with none of this.

The caller has been talking to the bus. Once somebody has taken that process over, what is refused
here is what he cannot have the kernel do.
"""

import dataclasses

from vif_agent.host.netlink.decode import Raw
from vif_agent.ownership import is_named_after, owner_in_alias
from vif_agent.vif import DEVICE_NAME

#: what the plugins' resources are made of
KINDS = ("bridge", "tun", "veth", "vlan", "vxlan")
#: below /proc/sys/net/*/conf they are all devices, and those to come
_NO_DEVICES = ("all", "default")


@dataclasses.dataclass
class Taps:
    """By which device they are made, and who besides root may open them: the configuration's word,
    taken when the helper is forked. No call changes it."""

    device: str = "/dev/net/tun"
    owner: int | None = None  # a uid; None: the helper's own


TAPS = Taps()


def checked(name: str) -> str:
    """It becomes part of a path."""
    if not DEVICE_NAME.match(name) or name in _NO_DEVICES:
        raise ValueError(f"not a device name: {name!r}")
    return name


def checked_kind(kind: str) -> str:
    if kind not in KINDS:
        raise ValueError(f"not a kind of link that is made here: {kind!r}")
    return kind


def is_ours(link: Raw, alias: str = "") -> bool:
    """May it be removed? It carries our stamp; or it is made anew, with this alias, for a port that
    is taken over from os-vif or libvirt, and is named after that."""
    anew_for = owner_in_alias(alias) or ""
    return owner_in_alias(link["alias"]) is not None or is_named_after(link["name"], anew_for)
