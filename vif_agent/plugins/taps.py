"""The tap that a vendor's controller takes over, by a command."""

from vif_agent.resources import Tap
from vif_agent.vif import Vif


def devname(vif: Vif) -> str:
    """The sender's name for it, else the one that nova would give."""
    return vif.devname or "tap" + vif.short_id


def tap_of(vif: Vif, multi_queue: bool = False) -> Tap:
    """nova's ``create_tap_dev``: the kernel's own MAC on the host's side.

    IPv6 is off, for until the vendor takes the tap over its frames are the host's.
    """
    return Tap(
        name=devname(vif),
        mtu=vif.mtu,
        multi_queue=multi_queue,
        disable_ipv6=True,
    )
