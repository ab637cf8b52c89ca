"""OVSDB rows become resources. Pure: works on the replica.

Bridge, Port, Interface and QoS as in ovs-vswitchd.conf.db(5).
"""

import dataclasses
from collections.abc import Iterator

from vif_agent.errors import OvsdbUnavailable, plain
from vif_agent.host.ovs.bridges import bridge_found
from vif_agent.host.ovs.qos import is_ours
from vif_agent.host.ovs.replica import Replica
from vif_agent.host.ovs.schema import Bridge, Interface, OpenVSwitch, Port
from vif_agent.ownership import MARK, Found, is_one_ports, is_trunk_bridge
from vif_agent.resources import OVS_BRIDGE, Key, OvsBridge, OvsPort

NOT_INITIALISED = "nobody has initialised the database (ovs-vsctl init)"


def root(replica: Replica) -> OpenVSwitch:
    """The one row that all others hang on; OvsdbUnavailable in a new database."""
    if replica.root is None:
        raise OvsdbUnavailable(f"ovsdb: {NOT_INITIALISED}")
    return replica.root


class Rows:
    """The replica as resources."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica

    def found(self, key: Key, cfg: int | None) -> Found | None:
        """``cfg``: the configuration number ovs-vswitchd must have reached to call it ready."""
        if key.space == OVS_BRIDGE:
            bridge = self._replica.bridge(key.name)
            return None if bridge is None else self._with_members(bridge)
        interface = self._replica.interface(key.name)
        return self._remains(key.name) if interface is None else self._port(interface, cfg)

    def claimed(self) -> Iterator[Key]:
        """All that carries our owner tag, and ports with an iface-id that cannot be opened."""
        for bridge in self._replica.named("Bridge"):
            if MARK in bridge.external_ids:
                yield Key(OvsBridge.space, bridge.name)
        for interface in self._replica.named("Interface"):
            if MARK in interface.external_ids or _is_broken(interface):
                yield Key(OvsPort.space, interface.name)
        yield from (Key(OvsPort.space, name) for name in self._replica.ports_with_qos())

    def whose(self, bridge: str) -> Iterator[str]:
        """Of each port in it, but its own: "ours", "dead" or "other"."""
        row = self._replica.bridge(bridge)
        ports = self._replica.referred("Port", row.ports) if row else ()
        for port in ports:
            interface = self._replica.interface(port.name)
            if interface and MARK in interface.external_ids:
                yield "ours"
            elif port.name != bridge:
                yield "dead" if interface and _is_broken(interface) else "other"

    def _remains(self, name: str) -> Found | None:
        """A QoS row without its port: roots are not collected, so it is all that is left. Or a bond
        of this name, whose interfaces have others."""
        qos, bond = self._replica.qos_of(name), self._replica.port(name)
        if bond is not None:
            return Found(OvsPort(name=name, bridge=self._where(bond)), part_of=f"the bond {name}")
        if qos is None:
            return None
        port = OvsPort(name=name, bridge="", qos_type=qos.type)
        return Found(port, owner=qos.external_ids.get(MARK), ready=False)

    def _port(self, row: Interface, cfg: int | None) -> Found:
        port = self._port_of(row)
        qos = self._replica.qos(port.qos) if port is not None else None
        error = plain(row.error) if row.error else ""
        reached = cfg is None or root(self._replica).cur_cfg >= cfg
        bond = _bond(port, row.name)
        resource = OvsPort(
            name=row.name,
            bridge=self._where(port),
            interface_type=row.type,
            external_ids=tuple(sorted(row.external_ids.items())),
            options=tuple(sorted(row.options.items())),
            mtu_request=row.mtu_request,
            qos_type=qos.type if qos is not None else None,
        )
        return Found(
            resource,
            owner=None if bond else row.external_ids.get(MARK),
            ready=(row.ofport or 0) > 0 and not error and reached,
            error=error,
            others=frozenset() if qos is None or is_ours(qos) else frozenset({"qos_type"}),
            part_of=bond,
            ofport=row.ofport,
        )

    def _port_of(self, interface: Interface) -> Port | None:
        """Of its name, if it is in no bond."""
        ports: list[Port] = self._replica.users(interface)
        return next((p for p in ports if p.name == interface.name), ports[0] if ports else None)

    def _where(self, port: Port | None) -> str:
        """All of them: a port that is in several is in the wrong place. In none: it has just
        gone."""
        bridges = [] if port is None else self._replica.users(port)
        return ", ".join(sorted(bridge.name for bridge in bridges))

    def _with_members(self, row: Bridge) -> Found:
        found = bridge_found(row)
        if is_trunk_bridge(found.resource):
            found = dataclasses.replace(found, serves=self._served(row))
        if found.owner is None and not is_one_ports(found.resource.name):
            return found  # never removed by us, so what is in it need not be counted
        return dataclasses.replace(found, members=self._replica.members(row))

    def _served(self, bridge: Bridge) -> frozenset[str]:
        ports = self._replica.referred("Port", bridge.ports)
        named = (i for port in ports for i in self._replica.referred("Interface", port.interfaces))
        return frozenset(filter(None, (i.external_ids.get("iface-id") for i in named)))


def _is_broken(interface: Interface) -> bool:
    return bool(interface.error) and "iface-id" in interface.external_ids


def _bond(port: Port | None, interface: str) -> str:
    """That the interface is part of: somebody has put it there, so it is his."""
    if port is None or (port.name == interface and len(port.interfaces) == 1):
        return ""
    return f"the bond {port.name}"
