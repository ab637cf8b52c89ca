"""What is there on a host in memory, and what anybody can do with it."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from vif_agent.ownership import MARK, SHARED, Found, iface_id, is_trunk_bridge
from vif_agent.resources import (
    LINK,
    NO_MAC,
    OVS_BRIDGE,
    OVS_PORT,
    Command,
    Key,
    Link,
    OvsBridge,
    OvsPort,
    Resource,
    Vf,
)

#: what a new device has by itself
_BARE: dict[str, Any] = {
    "mtu": 1500, "up": False, "promisc": False, "disable_ipv6": False, "multi_queue": False,
    "forward_delay": 15, "ageing": 300, "stp": False, "mcast_snooping": True, "arp_ignore": 0,
    "arp_announce": 0, "learns_link_local": True,
}  # fmt: skip


class Things:
    """``isolated``: OVS ports that were born in the dead VLAN; ``unready``: without an ofport, and
    why."""

    def __init__(self, links: Iterable[Link] = ()) -> None:
        self.isolated: set[str] = set()
        self.things: dict[Key, Found] = {}
        self.unready: dict[str, str] = {}
        self._indexes = itertools.count(2)
        for link in links:
            self.add_link(link)

    def add_link(self, resource: Link, owner: str | None = None, held: bool = False) -> None:
        fields = {k: v for k, v in _BARE.items() if getattr(resource, k, 0) is None}
        index = next(self._indexes)
        if resource.mac is None:
            fields["mac"] = f"02:00:00:00:{index >> 8:02x}:{index & 255:02x}"
        link = dataclasses.replace(resource, shared=False, **fields)
        self.things[link.key] = Found(link, owner=owner, index=index, held=held)

    def add_vf(self, vf: Vf) -> None:
        """As a driver makes it, unless the fields say otherwise."""
        fresh: dict[str, Any] = {
            "mac": NO_MAC, "vlan": 0, "trust": False, "spoof_check": True, "link_state": "auto",
            "min_tx_rate": 0, "max_tx_rate": 0,
        }  # fmt: skip
        fields = {k: v for k, v in fresh.items() if getattr(vf, k) is None}
        self.things[vf.key] = Found(dataclasses.replace(vf, **fields), index=next(self._indexes))

    def add_ovs(
        self,
        resource: OvsBridge | OvsPort,
        owner: str | None = None,
        others: frozenset[str] = frozenset(),
    ) -> None:
        row: Resource
        if isinstance(resource, OvsBridge):
            datapath = resource.datapath_type or "system"
            row = dataclasses.replace(resource, shared=False, datapath_type=datapath, secure=False)
            local = OvsPort(name=row.name, bridge=row.name, interface_type="internal", options=())
            self.things[local.key] = Found(local)
        else:
            row = _port_row(resource, owner)
        self.things[row.key] = Found(row, owner=owner, others=others)

    def remove(self, key: Key) -> None:
        """With all that goes with it: a veth's other end, a device's VLANs, a bridge's ports."""
        self.things.pop(key, None)
        for other, thing in list(self.things.items()):
            if _goes_with(thing.resource, key):
                self.remove(other)
            elif other in self.things and _is_slave(thing.resource, key):
                self.change(other, master=None)

    def change(self, key: Key, **fields: Any) -> None:
        found = self.things[key]
        resource = dataclasses.replace(found.resource, **fields)
        self.things[key] = dataclasses.replace(found, resource=resource)

    def rename(self, key: Key, name: str) -> None:
        """With all that refers to it."""
        found = self.things.pop(key)
        resource = dataclasses.replace(found.resource, name=name)
        self.things[resource.key] = dataclasses.replace(found, resource=resource)
        for other, thing in list(self.things.items()):
            for field in ("master", "peer", "parent"):
                if key.space == LINK and getattr(thing.resource, field, None) == key.name:
                    self.change(other, **{field: name})

    def owner(self, key: Key, owner: str) -> None:
        self.things[key] = dataclasses.replace(self.things[key], owner=owner)

    def snapshot(self) -> dict[Key, Found]:
        return {key: self.shown(key) for key in self.things}

    def shown(self, key: Key, with_members: bool = True) -> Found:
        members = {k.name for k, f in self.things.items() if _is_member(f.resource, key)}
        error = self.unready.get(key.name) if key.space == OVS_PORT else None
        master = getattr(self.things[key].resource, "master", None)
        bridge = self.things.get(Key(LINK, master)) if master else None
        return dataclasses.replace(
            self.things[key],
            in_shared=bridge is not None and bridge.owner == SHARED,
            members=frozenset(members) if with_members else frozenset(),
            ready=error is None,
            error=error or "",
            serves=frozenset(self._served(key)),
        )

    def _served(self, key: Key) -> Iterator[str]:
        if is_trunk_bridge(self.things[key].resource):
            for found in self.things.values():
                if _is_member(found.resource, key) and iface_id(found.resource):
                    yield iface_id(found.resource)

    def is_broken(self, key: Key) -> bool:
        """An OVS port of some plug that cannot be opened."""
        error = self.unready.get(key.name) if key.space == OVS_PORT else ""
        return bool(error and iface_id(self.things[key].resource))


def _port_row(port: OvsPort, owner: str | None) -> OvsPort:
    mark = {MARK: owner} if owner else {}
    return dataclasses.replace(
        port,
        shared=False,
        interface_type=port.interface_type or "",
        external_ids=tuple(sorted({**dict(port.external_ids), **mark}.items())),
        options=port.options or (),
        isolate=False,
        wait_ofport=True,
    )


def _goes_with(resource: Resource, key: Key) -> bool:
    if isinstance(resource, OvsPort):
        return key == Key(OVS_BRIDGE, resource.bridge)
    if key.space != LINK:
        return False
    if isinstance(resource, Command):  # the vendor has forgotten a device that is gone
        return key.name == resource.about
    return key.name in (getattr(resource, "peer", ""), getattr(resource, "parent", ""))


def _is_member(resource: Resource, key: Key) -> bool:
    if isinstance(resource, OvsPort):
        return key == Key(OVS_BRIDGE, resource.bridge) and resource.name != key.name
    return _is_slave(resource, key)


def _is_slave(resource: Resource, key: Key) -> bool:
    return key.space == LINK and getattr(resource, "master", None) == key.name
