"""Network devices that others make, and that a port changes for its time."""

import dataclasses
from typing import ClassVar

from vif_agent.resources.links import Link


@dataclasses.dataclass(frozen=True, kw_only=True)
class Device(Link):
    """A device of any kind that others make. It leaves the bridge that we have put it into.

    ``lowered``: and it goes down when no port wants it any longer, if its MAC is still the same; it
    is no more promiscuous then. ``by_sender``: the cast has named it, not this host; so it must be
    named after the port, or be a tap that nobody has put anywhere.
    """

    kind: ClassVar[str] = "device"
    external: ClassVar[bool] = True
    write_only: ClassVar[frozenset[str]] = frozenset({"lowered", "by_sender"})

    up: bool | None = None
    lowered: bool = False
    by_sender: bool = False

    def restored(self) -> "Device | None":
        """Out of its master; None where nothing of it is changed."""
        if not self.master and not self.lowered:
            return None
        still = {"master": self.master or None, "mac": self.mac if self.lowered else None}
        return Device(
            name=self.name,
            shared=self.shared,
            master="" if self.master else None,
            up=False if self.lowered else None,
            promisc=False if self.lowered and self.promisc else None,
            only_if=tuple((field, value) for field, value in still.items() if value),
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Nic(Device):
    """The host's way into a network. Its bridge has its addresses and routes while it is in it.

    It is taken out of no bridge but one of ours: what the operator has put together stays so.
    """

    kind: ClassVar[str] = "nic"

    up: bool | None = True
    master: str

    def restored(self) -> "Nic":
        """Out of the bridge, with all that it has of addresses and routes."""
        still = (("master", self.master), ("in_shared", True))
        return Nic(
            name=self.name,
            shared=self.shared,
            up=None,
            master="",
            addressed=self.name,
            only_if=still,
        )
