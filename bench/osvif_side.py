"""os-vif's half, run by its own environment's python: nothing of vif-agent is imported here.

Reads one JSON request a line, `{"op": "plug" | "unplug", "vifs": [...]}`, and answers with
`{"seconds": s}`: the time of the calls into os-vif, one after the other, as nova makes them.
The os-vif objects are built before the clock starts and privsep runs in this process unless
--privsep is given: both are kinder to os-vif than nova is.
"""

from __future__ import annotations

import argparse
import fcntl
import importlib
import json
import logging
import os
import socket
import struct
import sys
import time
import warnings
from typing import Any

TUNSETIFF, TUNSETPERSIST = 0x400454CA, 0x400454CB
SIOCGIFINDEX, SIOCBRADDIF = 0x8933, 0x89A2
SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCSIFMTU, SIOCSIFHWADDR = 0x8913, 0x8914, 0x8922, 0x8924
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR, IFF_UP, ARPHRD_ETHER = 0x0002, 0x1000, 0x4000, 0x1, 1

# Without helper_command privsep would call sudo, which root has no need of.
CONFIG = """
[oslo_concurrency]
lock_path = {scratch}
[os_vif_ovs]
ovsdb_connection = {db}
ovsdb_interface = native
[vif_plug_ovs_privileged]
helper_command = {bin}/privsep-helper --config-file {scratch}/os-vif.conf
[vif_plug_linux_bridge_privileged]
helper_command = {bin}/privsep-helper --config-file {scratch}/os-vif.conf
"""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--ovsdb", required=True)
    parser.add_argument("--scratch", required=True)
    parser.add_argument("--privsep", action="store_true")
    return parser.parse_args()


def start(args: argparse.Namespace) -> Any:
    """Load os-vif as nova-compute does. It copies its options as it loads: the file comes first."""
    cfg = importlib.import_module("oslo_config.cfg")
    importlib.import_module("oslo_concurrency.lockutils")
    file = os.path.join(args.scratch, "os-vif.conf")
    with open(file, "w") as out:
        out.write(CONFIG.format(db=args.ovsdb, scratch=args.scratch, bin=sys.prefix + "/bin"))
    cfg.CONF(["--config-file", file], project="bench")
    os_vif = importlib.import_module("os_vif")
    os_vif.initialize()
    for plugin in ("vif_plug_ovs", "vif_plug_linux_bridge"):
        importlib.import_module(plugin + ".privsep").vif_plug.set_client_mode(args.privsep)
    return os_vif


def network_object(objects: Any, network: dict[str, Any]) -> Any:
    meta = network["meta"]
    return objects.network.Network(
        id=network["id"],
        bridge=network["bridge"],
        label=network["label"],
        mtu=meta["mtu"],
        should_provide_bridge=meta.get("should_create_bridge", False),
        bridge_interface=None,
        vlan=None,
    )


def vif_fields(objects: Any, vif: dict[str, Any], plugin: str, bridge: str) -> dict[str, Any]:
    return {
        "id": vif["id"],
        "address": vif["address"],
        "network": network_object(objects, vif["network"]),
        "plugin": plugin,
        "active": vif["active"],
        "has_traffic_filtering": vif["details"]["port_filter"],
        "preserve_on_delete": vif["preserve_on_delete"],
        "vif_name": vif["devname"],
        "bridge_name": bridge,
    }


def profile_object(objects: Any, vif: dict[str, Any]) -> Any:
    return objects.vif.VIFPortProfileOpenVSwitch(
        interface_id=vif["ovs_interfaceid"],
        datapath_type=vif["details"]["datapath_type"],
        create_port=vif["delegate_create"],
        create_tap=vif["details"].get("ovs_create_tap", False),
    )


def vif_object(objects: Any, vif: dict[str, Any]) -> Any:
    """What nova's os_vif_util makes of a Neutron port."""
    bridge = vif["network"]["bridge"]
    if vif["type"] == "bridge":
        return objects.vif.VIFBridge(**vif_fields(objects, vif, "linux_bridge", bridge))
    profile = profile_object(objects, vif)
    if vif["details"]["ovs_hybrid_plug"]:
        fields = vif_fields(objects, vif, "ovs", ("qbr" + vif["id"])[:14])
        return objects.vif.VIFBridge(port_profile=profile, **fields)
    fields = vif_fields(objects, vif, "ovs", bridge)
    return objects.vif.VIFOpenVSwitch(port_profile=profile, **fields)


def owner_object(objects: Any, vif: dict[str, Any]) -> Any:
    owner = vif["instance"]
    return objects.instance_info.InstanceInfo(uuid=owner["uuid"], name=owner["name"])


class LibvirtPart:
    """The tap on a linux bridge by plain ioctls, in libvirt's order. Only for the bridge case."""

    def __init__(self) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.taps: dict[str, int] = {}

    def plug(self, vif: dict[str, Any]) -> None:
        name = vif["devname"].encode()
        self.taps[vif["devname"]] = self._open(name)
        mac = bytes.fromhex("fe" + vif["address"][2:].replace(":", ""))
        self._set(SIOCSIFHWADDR, struct.pack("16sH6s", name, ARPHRD_ETHER, mac))
        self._set(SIOCSIFMTU, struct.pack("16si", name, vif["network"]["meta"]["mtu"]))
        index = socket.if_nametoindex(vif["devname"])
        self._set(SIOCBRADDIF, struct.pack("16si", vif["network"]["bridge"].encode(), index))
        self._set(SIOCSIFFLAGS, struct.pack("16sh", name, IFF_UP))

    def unplug(self, vif: dict[str, Any]) -> None:
        """As when qemu exits: the tap is not persistent and goes with its last descriptor."""
        os.close(self.taps.pop(vif["devname"]))

    def _open(self, name: bytes) -> int:
        tap = os.open("/dev/net/tun", os.O_RDWR)
        flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR
        fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name, flags))
        return tap

    def _set(self, request: int, wanted: bytes) -> None:
        fcntl.ioctl(self.sock, request, wanted.ljust(40, b"\0"))


class Side:
    def __init__(self, os_vif: Any) -> None:
        self.os_vif = os_vif
        self.libvirt = LibvirtPart()

    def run(self, op: str, vifs: list[dict[str, Any]]) -> float:
        objects = self.os_vif.objects
        made = [(v, vif_object(objects, v), owner_object(objects, v)) for v in vifs]
        call = self._plug if op == "plug" else self._unplug
        begin = time.perf_counter()
        for vif, thing, owner in made:
            call(vif, thing, owner)
        return time.perf_counter() - begin

    def _plug(self, vif: dict[str, Any], thing: Any, owner: Any) -> None:
        self.os_vif.plug(thing, owner)
        if vif["type"] == "bridge":
            self.libvirt.plug(vif)

    def _unplug(self, vif: dict[str, Any], thing: Any, owner: Any) -> None:
        if vif["type"] == "bridge":
            self.libvirt.unplug(vif)
        self.os_vif.unplug(thing, owner)


def answers() -> Any:
    """Our standard output, kept for answers alone: libraries that print go to stderr."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return out


def main() -> None:
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    out = answers()
    side = Side(start(arguments()))
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps({"seconds": side.run(request["op"], request["vifs"])}), file=out)


if __name__ == "__main__":
    main()
