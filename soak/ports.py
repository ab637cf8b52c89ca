"""The soak's ports: the kinds a port can be of, and what the sender asks for each."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from bench.cases import CASES, Case, Device, Vif, mtu

NETWORKS = 5
MTUS = (1500, 1450, 1400)


def _routed(seed: str, number: int) -> Vif:
    vif = CASES["bridge"].vif(seed, number)
    details = {"mac_address": "fe" + vif["address"][2:], "port_filter": True}
    return {**vif, "type": "tap", "details": details, "network": {**vif["network"], "bridge": None}}


#: a port keeps its UUID and its tap's name when it becomes one of another kind
KINDS: dict[str, Case] = {
    **CASES,
    "routed": Case(
        name="routed",
        title="vif_type tap",
        vif=_routed,
        devices=lambda vif: [Device(vif["devname"], mtu(vif))],
        ovs_port=lambda vif: None,
    ),
}

#: what a port of this kind may become
_KINDS_OF = {kind: list(CASES) for kind in CASES}


@dataclass(frozen=True)
class PortRequest:
    """The last cast of a port. ``generation`` 0: none yet."""

    kind: str
    vif: Vif
    plugged: bool = False
    generation: int = 0

    @property
    def port_id(self) -> str:
        return str(self.vif["id"])

    @property
    def devices(self) -> list[Device]:
        return KINDS[self.kind].devices(self.vif)

    @property
    def ovs_port(self) -> str | None:
        return KINDS[self.kind].ovs_port(self.vif)

    @property
    def has_qos(self) -> bool:
        """None on the userspace datapath, as with os-vif."""
        return bool(self.ovs_port) and self.vif["details"].get("datapath_type") != "netdev"

    @property
    def bridge(self) -> str | None:
        """The linux bridge that it shares with others."""
        return str(self.vif["network"]["bridge"]) if self.kind == "bridge" else None


class PortRecords:
    """The sender's view, by port number: what the host must come to."""

    def __init__(self, count: int) -> None:
        kinds = list(KINDS)
        self._records = [self._new(n, kinds[n % len(kinds)], MTUS[0]) for n in range(count)]

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, number: int) -> PortRequest:
        return self._records[number]

    def __setitem__(self, number: int, request: PortRequest) -> None:
        self._records[number] = request

    def __iter__(self) -> Iterator[PortRequest]:
        return iter(self._records)

    def plugged(self) -> list[PortRequest]:
        return [request for request in self if request.plugged]

    def changed(self, number: int, dice: random.Random) -> PortRequest:
        """The same port, of another kind and MTU.

        A routed tap may be in any bridge, for others may wire it; so one that was a bridge's would
        stay there. Routed ports stay routed.
        """
        kind = self[number].kind
        return self._new(number, dice.choice(_KINDS_OF.get(kind, [kind])), dice.choice(MTUS))

    def _new(self, number: int, kind: str, size: int) -> PortRequest:
        vif = KINDS[kind].vif(f"soak-{number}", number % NETWORKS)
        vif["network"]["meta"]["mtu"] = size
        return PortRequest(kind, vif)
