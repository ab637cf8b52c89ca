"""What other programs leave on a host for a port: made by hand with `ip` and `ovs-vsctl`.

Their settings are those of os-vif 5.1 (`vif_plug_ovs`), of the last `vif_plug_linux_bridge`
(os-vif 4.3), of libvirt's taps and of the last linux bridge agent (Neutron 2024.2).
"""

from __future__ import annotations

from tests.support.examples import INSTANCE
from tests.support.real_host import Vif, ip, links, set_sysctl
from vif_agent.testing.ovs import PrivateOvs


def _ids(vif: Vif) -> dict[str, str]:
    return {
        "iface-id": vif["id"],
        "iface-status": "active",
        "attached-mac": vif["address"],
        "vm-uuid": INSTANCE["uuid"],
    }


def names(vif: Vif) -> list[str]:
    return [prefix + vif["id"][:11] for prefix in ("qbr", "qvb", "qvo")]


def os_vif_hybrid(ovs: PrivateOvs, vif: Vif) -> None:
    """What os-vif 5.1 leaves behind, and Neutron's agent has tagged since."""
    bridge, inner, outer = names(vif)
    ip("link", "add", bridge, "type", "bridge", "forward_delay", "0", "ageing_time", "0")
    ip("link", "add", inner, "type", "veth", "peer", "name", outer)
    ip("link", "set", inner, "master", bridge)
    for name in (bridge, inner, outer):
        ip("link", "set", name, "up")
    os_vif_row(ovs, vif, outer)


def os_vif_row(ovs: PrivateOvs, vif: Vif, name: str) -> None:
    columns = [f'external_ids:{key}="{value}"' for key, value in _ids(vif).items()]
    ovs.vsctl(
        *("add-port", "br-int", name, "tag=7", "--", "set", "interface", name, *columns),
        *("--", "set", "port", name, "qos=@q"),
        *("--", "--id=@q", "create", "qos", "type=linux-noop"),
        *(f"external_ids:id={name}", "external_ids:_type=linux-noop"),
    )


def os_vif_own_bridge(ovs: PrivateOvs, vif: Vif) -> None:
    """What os-vif 5.3 leaves behind with ``per_port_bridge``, and Neutron's agent has tagged since.

    On the userspace datapath, but with the QoS row of the kernel's."""
    own, tap = "pb" + vif["id"][:12], vif["devname"]
    inner, outer = "pbp" + vif["id"], "ibp" + vif["id"]
    libvirt_tap(vif)
    ovs.add_bridge(own)
    ovs.vsctl(
        *("add-port", own, tap, "--", "set", "port", tap, "qos=@q"),
        *("--", "--id=@q", "create", "qos", "type=linux-noop"),
        *(f"external_ids:id={tap}", "external_ids:_type=linux-noop"),
    )
    ids = [f'external_ids:{key}="{value}"' for key, value in _ids(vif).items()]
    patch = ("type=patch", f"options:peer={inner}")
    ovs.vsctl("add-port", "br-int", outer, "tag=7", "--", "set", "interface", outer, *patch, *ids)
    patch = ("type=patch", f"options:peer={outer}")
    ovs.vsctl("add-port", own, inner, "--", "set", "interface", inner, *patch)


def os_vif_vhostuser(ovs: PrivateOvs, vif: Vif) -> None:
    """What os-vif 5.3 leaves behind for a guest that makes the socket."""
    name, mtu = "vhu" + vif["id"][:11], vif["network"]["meta"]["mtu"]
    path = vif["details"]["vhostuser_socket"]
    columns = [f'external_ids:{key}="{value}"' for key, value in _ids(vif).items()]
    columns += [f"mtu_request={mtu}", "type=dpdkvhostuserclient"]
    columns += [f'options:vhost-server-path="{path}"']
    ovs.vsctl(
        "--no-wait", "add-port", "br-int", name, "tag=7", "--", "set", "interface", name, *columns
    )


def indexes(*wanted: str) -> list[int]:
    return [links()[name]["ifindex"] for name in wanted]


def libvirt_tap(vif: Vif, bridge: str | None = None) -> None:
    """With a MAC of its own, which no bridge takes for its address as it is the highest."""
    name, mtu = vif["devname"], str(vif["network"]["meta"]["mtu"])
    ip("tuntap", "add", "dev", name, "mode", "tap", "vnet_hdr")
    ip("link", "set", name, "address", "fe" + vif["address"][2:], "mtu", mtu)
    if bridge:
        ip("link", "set", name, "master", bridge)
    ip("link", "set", name, "up")


def settle_as_os_vif(ovs: PrivateOvs, vif: Vif) -> None:
    """What os-vif sets besides, so that nothing is left for the agent to correct."""
    bridge, inner, outer = names(vif)
    mtu = str(vif["network"]["meta"]["mtu"])
    _quiet(bridge)
    ip("link", "set", bridge, "type", "bridge", "stp_state", "0", "mcast_snooping", "0")
    for name in (inner, outer):
        ip("link", "set", name, "mtu", mtu, "promisc", "on")
    ip("link", "set", bridge, "mtu", mtu)
    ovs.vsctl("set", "interface", outer, f"mtu_request={mtu}")


def nova_bridge(name: str, vif: Vif) -> None:
    ip("link", "add", name, "type", "bridge", *_STILL, "mcast_snooping", "0")
    _quiet(name)
    ip("link", "set", name, "mtu", str(vif["network"]["meta"]["mtu"]), "up")


def neutron_bridge(name: str) -> None:
    """The kernel's MTU, ageing time and multicast snooping, and IPv6 left on (bug 1662324)."""
    ip("link", "add", name, "type", "bridge", *_STILL)
    ip("link", "set", name, "up")


def neutron_vxlan(bridge: str, vni: int, nic: str) -> None:
    """In its multicast mode."""
    name = f"vxlan-{vni}"
    ip(
        *("link", "add", name, "type", "vxlan", "id", str(vni), "dev", nic),
        *("group", "224.0.0.1", "dstport", "8472"),
    )
    set_sysctl("ipv6", name, "disable_ipv6", 1)
    ip("link", "set", name, "master", bridge)
    ip("link", "set", name, "up")


def _quiet(bridge: str) -> None:
    set_sysctl("ipv6", bridge, "disable_ipv6", 1)
    set_sysctl("ipv4", bridge, "arp_ignore", 1)
    set_sysctl("ipv4", bridge, "arp_announce", 2)


_STILL = ("forward_delay", "0", "stp_state", "0")
