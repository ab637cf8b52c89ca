"""What belonged to a bridge of ours that somebody has deleted: its NIC's, that the host needs back.

Remembered by the helper, for as long as it lives, as it was at the last move, and whenever it was
asked to (``bridge_memory``).
"""

import dataclasses
import struct
import time
from collections.abc import Iterable

from vif_agent.host.netlink import addresses
from vif_agent.host.netlink.addresses import Address
from vif_agent.host.netlink.rtnetlink import GET, LinkRequest, Message, Socket, attributes, raw
from vif_agent.host.nic_migration.network_state import End, NetworkState

_CACHEINFO, _FOR_EVER = 6, 0xFFFFFFFF  # IFA_CACHEINFO; INFINITY_LIFE_TIME


@dataclasses.dataclass(frozen=True, slots=True)
class _Kept:
    bridge: End
    belongings: NetworkState
    at: float


_kept: dict[str, _Kept] = {}


def keep(bridge: End, belongings: NetworkState) -> None:
    """Instead of what was kept of a bridge of this name."""
    _kept[bridge.name] = _Kept(bridge, belongings, time.monotonic())


def forget(name: str) -> None:
    """All of it went with its NIC."""
    _kept.pop(name, None)


def heritage(netlink: Socket, nic: End, bridge: End) -> list[Message] | None:
    """What gives the new bridge of this name what the lost one had; None for nothing to do.

    Somebody may have given it to the NIC meanwhile, and knows better.
    """
    kept = _kept.get(bridge.name)
    if kept is None or kept.bridge.index == bridge.index or _is_there(netlink, kept.bridge.index):
        return None
    if any(not address.stays for address in addresses.dump(netlink, nic.index)):
        return None
    left = NetworkState(
        addresses=tuple(_aged(kept.belongings.addresses, time.monotonic() - kept.at)),
        neighbours=kept.belongings.neighbours,
        routes=kept.belongings.routes,
        rules=kept.belongings.rules,
        advertised=kept.belongings.advertised,
    )
    return [*left.addresses_at(kept.bridge, bridge), *left.ways_by(kept.bridge, bridge)]


def _is_there(netlink: Socket, index: int) -> bool:
    (answer,) = netlink.ask([LinkRequest(GET, index=index)])
    return not answer.errno


def _aged(found: Iterable[Address], seconds: float) -> Iterable[Address]:
    """Without those whose time has come since."""
    for address in found:
        times = attributes(address.body, 8).get(_CACHEINFO)
        if times is None:
            yield address
            continue
        preferred, valid = struct.unpack_from("=II", times)
        if valid == _FOR_EVER or valid > seconds:
            left = struct.pack("=II", _less(preferred, seconds), _less(valid, seconds))
            body = address.body.replace(raw(_CACHEINFO, times), raw(_CACHEINFO, left + times[8:]))
            yield dataclasses.replace(address, body=body)


def _less(lifetime: int, seconds: float) -> int:
    return lifetime if lifetime == _FOR_EVER else max(0, lifetime - int(seconds))
