"""What a port can go through, for a fault to be put at every step of it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from tests.support.examples import INSTANCE
from tests.support.rig import COMMANDED, EXTERNAL, OWN_BRIDGE, PLUGGABLE, Rig
from vif_agent.ports.port import PLUG, UNPLUG, FullSet, PortRequest
from vif_agent.resources import GUARD, LINK, OVS_PORT, VF, Bridge, Key, OvsPort, Veth

Vif = dict[str, Any]
Payload = Callable[[str], Vif]


class Scenario(NamedTuple):
    """``before`` is done undisturbed; ``act`` stores requests or drifts, and answers the ports to
    look at."""

    before: Callable[[Rig, Payload], object]
    act: Callable[[Rig, Payload], Collection[str]]
    everywhere: bool = False


def _plug(name: str) -> Scenario:
    return Scenario(
        lambda rig, payload: None, lambda rig, payload: [rig.request(PLUG, payload(name))]
    )


def _plug_as(name: str, change: Callable[[Vif], Vif]) -> Scenario:
    return Scenario(
        lambda rig, payload: None, lambda rig, payload: [rig.request(PLUG, change(payload(name)))]
    )


def _unplug_as(name: str, change: Callable[[Vif], Vif]) -> Scenario:
    return Scenario(
        lambda rig, payload: rig.plug(change(payload(name))),
        lambda rig, payload: [rig.request(UNPLUG, change(payload(name)))],
    )


def _unplug(name: str) -> Scenario:
    return Scenario(_plugged(name), lambda rig, payload: [rig.request(UNPLUG, payload(name))])


def _becomes(
    name: str, change: Callable[[Vif], Vif], before: Callable[[Vif], Vif] = lambda vif: vif
) -> Scenario:
    def act(rig: Rig, payload: Payload) -> Collection[str]:
        return [rig.request(PLUG, change(payload(name)))]

    return Scenario(lambda rig, payload: rig.plug(before(payload(name))), act)


def _drifts(name: str, drift: Callable[[Rig, Vif], None]) -> Scenario:
    def act(rig: Rig, payload: Payload) -> Collection[str]:
        drift(rig, payload(name))
        return [rig.request(PLUG, payload(name))]

    return Scenario(_plugged(name), act)


def _plugged(name: str) -> Callable[[Rig, Payload], object]:
    return lambda rig, payload: rig.plug(payload(name))


def _direct(vif: Vif) -> Vif:
    return {**vif, "type": "ovs", "details": {"bridge_name": "br-int", "ovs_create_tap": True}}


def _hybrid(vif: Vif) -> Vif:
    return {**vif, "type": "ovs", "details": {"bridge_name": "br-int", "ovs_hybrid_plug": True}}


def _in_own_bridge(vif: Vif) -> Vif:
    return {**vif, "type": OWN_BRIDGE}


def _on_trunk(vif: Vif) -> Vif:
    return {**vif, "details": {**vif["details"], "bridge_name": "tbr-1"}}


def _on_own_bridge(vif: Vif) -> Vif:
    return {**vif, "details": {**vif["details"], "bridge_name": "br-own"}}


def _vhostuser(vif: Vif) -> Vif:
    flags = {"vhostuser_ovs_plug": True, "vhostuser_socket": "/run/vhu"}
    return {**vif, "type": "vhostuser", "details": {"bridge_name": "br-int", **flags}}


def _with_mac(vif: Vif) -> Vif:
    return {**vif, "address": "fa:16:3e:00:01:02"}


def _with_devname(vif: Vif) -> Vif:
    return {**vif, "devname": "tapother"}


def _with_mtu(vif: Vif, mtu: int = 1300) -> Vif:
    network = vif["network"]
    return {**vif, "network": {**network, "meta": {**network["meta"], "mtu": mtu}}}


def _hybrid_drift(rig: Rig, vif: Vif) -> None:
    bridge, inner, outer = (prefix + vif["id"][:11] for prefix in ("qbr", "qvb", "qvo"))
    rig.host.change(Key(LINK, bridge), mtu=1300, stp=True, up=False)
    rig.host.remove(Key(LINK, inner))
    rig.host.remove(Key(OVS_PORT, outer))


def _direct_drift(rig: Rig, vif: Vif) -> None:
    rig.host.change(Key(LINK, vif["devname"]), multi_queue=True)
    rig.host.change(Key(OVS_PORT, vif["devname"]), mtu_request=1300, qos_type=None)


def _tap_drift(rig: Rig, vif: Vif) -> None:
    rig.host.remove(Key(LINK, vif["devname"]))


def _flat_drift(rig: Rig, vif: Vif) -> None:
    """A DHCP client has given the NIC its address anew."""
    rig.host.change(Key(LINK, "eth1"), addressed="eth1")


def _vxlan_drift(rig: Rig, vif: Vif) -> None:
    rig.host.change(Key(LINK, "vxlan-70007"), peers=("192.0.2.3",), mtu=1300)


def _to_another_vni(vif: Vif) -> Vif:
    network = vif["network"]
    meta = {**network["meta"], "segmentation_id": 70008}
    return {**vif, "network": {**network, "meta": meta}}


def _bridge_drift(rig: Rig, vif: Vif) -> None:
    rig.host.remove(Key(LINK, vif["network"]["bridge"]))


def _with_pairs(vif: Vif, *addresses: str) -> Vif:
    return {**vif, "meta": {"allowed_address_pairs": [{"ip_address": ip} for ip in addresses]}}


def _insecure(vif: Vif) -> Vif:
    return {**vif, "meta": {"port_security_enabled": False}}


def _guard_removed(rig: Rig, vif: Vif) -> None:
    rig.host.remove(Key(GUARD, vif["devname"]))


def _guard_widened(rig: Rig, vif: Vif) -> None:
    """By hand: it may be a router now; and somebody has removed a rule."""
    rig.host.change(Key(GUARD, vif["devname"]), router=True, enforced=False)


def _vf_drift(rig: Rig, vif: Vif) -> None:
    rig.host.change(Key(VF, vif["profile"]["pci_slot"]), vlan=7, trust=False)


def _representor_drift(rig: Rig, vif: Vif) -> None:
    rig.host.change(Key(LINK, "rep2"), up=False)
    rig.host.remove(Key(OVS_PORT, "rep2"))


def _twins() -> Scenario:
    """os-vif has plugged it as hybrid."""

    def before(rig: Rig, payload: Payload) -> None:
        vif = payload("ovs_create_tap")
        bridge, inner, outer = (prefix + vif["id"][:11] for prefix in ("qbr", "qvb", "qvo"))
        rig.host.add_link(Bridge(name=bridge))
        rig.host.add_link(Veth(name=inner, peer=outer, master=bridge))
        rig.host.add_link(Veth(name=outer, peer=inner, master=""))
        ids = (("iface-id", vif["id"]),)
        rig.host.add_ovs(OvsPort(name=outer, bridge="br-int", external_ids=ids))

    return Scenario(
        before, lambda rig, payload: [rig.request(PLUG, payload("ovs_create_tap"))], everywhere=True
    )


def _of_neutron(vif: Vif) -> Vif:
    meta = {"port_security_enabled": False, "admin_state_up": True, "max_tx_rate": 1000}
    return {**vif, "meta": meta}


def _forgets_neutrons() -> Scenario:
    """The next request says less of the VF than the one before."""
    return Scenario(
        lambda rig, payload: rig.plug(_of_neutron(payload("hw_veb_direct"))),
        lambda rig, payload: [rig.request(PLUG, payload("hw_veb_direct"))],
    )


def _macvtap_on_the_nic(vif: Vif) -> Vif:
    details = {"physical_interface": "eth1", "macvtap_source": "eth1"}
    return {**vif, "type": "macvtap", "details": details}


def _of_another_vf(vif: Vif) -> Vif:
    return {**vif, "profile": {**vif["profile"], "pci_slot": "0000:05:08.1"}}


def _complete_set() -> Scenario:
    """Of two ports on one bridge one goes, a third changes, a fourth is new."""

    def before(rig: Rig, payload: Payload) -> None:
        bridge = payload("bridge")
        for vif in (bridge, _other(bridge), payload("ovs_hybrid")):
            rig.plug(vif)

    def act(rig: Rig, payload: Payload) -> Collection[str]:
        vifs = (payload("bridge"), _with_mtu(payload("ovs_hybrid")), payload("ovs_create_tap"))
        plugs = tuple(
            PortRequest(
                port_id=vif["id"], verb=PLUG, instance=INSTANCE, vif=vif, vif_type=vif["type"]
            )
            for vif in vifs
        )
        named = frozenset(request.port_id for request in plugs)
        rig.store.put([FullSet(plugs=plugs, named=named, deletes=True)])
        return rig.store.ports().keys()

    return Scenario(before, act, everywhere=True)


def _other(vif: Vif) -> Vif:
    port = "00000001" + vif["id"][8:]
    return {**vif, "id": port, "devname": "tap" + port[:11], "address": "fa:16:3e:00:01:01"}


SCENARIOS = {
    **{f"plug {name}": _plug(name) for name in (*PLUGGABLE, *COMMANDED)},
    **{f"unplug {name}": _unplug(name) for name in (*PLUGGABLE, *COMMANDED)},
    "hybrid to direct": _becomes("ovs_hybrid", _direct),
    "bridge to hybrid": _becomes("bridge", _hybrid),
    "plug, in a bridge of its own": _plug_as("ovs_create_tap", _in_own_bridge),
    "unplug, in a bridge of its own": _unplug_as("ovs_create_tap", _in_own_bridge),
    "into a bridge of its own": _becomes("ovs_create_tap", _in_own_bridge),
    "plug, on a trunk": _plug_as("ovs_hybrid", _on_trunk),
    "unplug, on a trunk": _unplug_as("ovs_hybrid", _on_trunk),
    "from a bridge to a trunk": _becomes("ovs_create_tap", _on_trunk),
    "to vhostuser": _becomes("ovs", _vhostuser),
    "to what needs nothing": _becomes("ovs_hybrid", lambda vif: {**vif, "type": "noop"}),
    "to an OVS bridge of our own": _becomes("ovs_create_tap", _on_own_bridge),
    **{f"mtu of {name}": _becomes(name, _with_mtu) for name in PLUGGABLE if name not in EXTERNAL},
    "plug after drift, hybrid": _drifts("ovs_hybrid", _hybrid_drift),
    "plug after drift, direct": _drifts("ovs_create_tap", _direct_drift),
    "plug after drift, bridge": _drifts("bridge", _bridge_drift),
    "plug after drift, VF": _drifts("hw_veb_direct", _vf_drift),
    "plug after drift, representor": _drifts("ovs_direct", _representor_drift),
    "all that Neutron says of a VF": _becomes("hw_veb_direct", _of_neutron),
    "no longer what Neutron says of a VF": _forgets_neutrons(),
    "to another VF": _becomes("hw_veb_macvtap", _of_another_vf),
    "to another representor": _becomes("ovs_direct", _of_another_vf),
    "plug after drift, flat": _drifts("bridge_flat", _flat_drift),
    "plug after drift, vxlan": _drifts("bridge_vxlan", _vxlan_drift),
    "vxlan of another network": _becomes("bridge_vxlan", _to_another_vni),
    "flat to hybrid": _becomes("bridge_flat", _hybrid),
    "flat to macvtap": _becomes("bridge_flat", _macvtap_on_the_nic),
    "complete set": _complete_set(),
    "command with another argument": _becomes("ib_hostdev", _with_mac),
    "command for another device": _becomes("iovisor", _with_devname),
    "command to OVS": _becomes("midonet", _direct),
    "plug after drift, command": _drifts("iovisor", _tap_drift),
    "guard with other pairs": _becomes(
        "bridge",
        lambda vif: _with_pairs(vif, "192.0.2.9"),
        lambda vif: _with_pairs(vif, "192.0.2.0/30"),
    ),
    "guard of another MAC": _becomes("bridge", _with_mac),
    "port security off": _becomes("bridge", _insecure),
    "port security on": _becomes("bridge", lambda vif: {**vif, "meta": {}}, _insecure),
    "plug after drift, no guard": _drifts("bridge", _guard_removed),
    "plug after drift, another guard": _drifts("bridge", _guard_widened),
}
#: what others have made for the port: not all of that goes, if it is unplugged before that is ours
TAKEN_OVER = {"hybrid of os-vif to direct": _twins()}
