"""Virtual functions of SR-IOV cards."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from vif_agent.resources.base import VF, Resource

#: numbered as in the kernel's IFLA_VF_LINK_STATE_*
LINK_STATES = ("auto", "enable", "disable")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Vf(Resource):
    """A virtual function of an SR-IOV card, as its physical function sees it; named by PCI address.

    ``vlan`` 0: untagged. ``link_state``: of LINK_STATES; "auto" is as the card's. Rates in
    Mbit/s, 0 for no limit. What the card's driver does not tell is None when read.
    """

    space: ClassVar[str] = VF
    kind: ClassVar[str] = "vf"
    external: ClassVar[bool] = True
    absent: ClassVar[str] = "no card of this host shows such a virtual function"

    mac: str | None = None
    vlan: int | None = None
    trust: bool | None = None
    spoof_check: bool | None = None
    link_state: str | None = None
    min_tx_rate: int | None = None
    max_tx_rate: int | None = None

    def restored(self) -> "Vf":
        """What was changed is as on a new VF, if the MAC says that no other has taken it meanwhile.

        A card sends no frame out for a MAC that one of its VFs still has, so the port would be cut
        off when it has moved to another host (launchpad bug 1808252).
        """
        restored = {
            field: value for field, value in _NEW_VF.items() if getattr(self, field) is not None
        }
        return dataclasses.replace(Vf(name=self.name, only_if=(("mac", self.mac),)), **restored)


NO_MAC = "00:00:00:00:00:00"
#: as drivers make them: spoof check is on (igb, ixgbe, i40e, ice)
_NEW_VF: Mapping[str, Any] = {
    "mac": NO_MAC, "vlan": 0, "trust": False, "spoof_check": True, "link_state": "auto",
    "min_tx_rate": 0, "max_tx_rate": 0,
}  # fmt: skip
