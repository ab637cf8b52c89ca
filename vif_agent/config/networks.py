"""The options of linux bridges and of what ties them to their networks."""

from oslo_config import cfg, types

from vif_agent.vif import DEVICE_NAME

DEVICE = "^" + DEVICE_NAME.pattern


BRIDGE: list[cfg.Opt] = [
    cfg.BoolOpt(
        "create_tap",
        default=False,
        help="Whether the agent makes a port's tap and puts it into the network's bridge. Off, "
        "because libvirt does so.",
    ),
    cfg.BoolOpt(
        "wire_taps",
        default=False,
        help="Whether ports of vif_type 'tap' are a linux bridge's: nova makes the tap, the agent "
        "the network's bridge, and puts the tap into it as soon as it is there. Off: the agent "
        "makes the tap, and somebody else routes it.",
    ),
]


NETWORK: list[cfg.Opt] = [
    cfg.ListOpt(
        "type_drivers",
        default=["local", "flat", "vlan", "vxlan"],
        help="Network types that the agent ties a linux bridge to, by the names of their drivers "
        "(entry points in the group vif_agent.type_drivers). One that does not load is an error "
        "at start.",
    ),
    cfg.Opt(
        "physical_interface_mappings",
        type=types.Dict(types.String(regex=DEVICE), bounds=False),
        default={},
        help="The device that leads to each physical network, as in the option of this name of "
        "Neutron's linux bridge agent: physnet1:eth1,physnet2:bond0.",
    ),
    cfg.ListOpt(
        "interfaces",
        default=[],
        metavar="DEVICE",
        help="Devices of this host, e.g. eth4,bond*, that a cast may name itself, in the network's "
        "meta.bridge_interface or in vif_details:physical_interface (macvtap), besides those of "
        "physical_interface_mappings. No other device is touched. And linux bridges that others "
        "have made and a port may join, besides those of bridge_mappings and those called brq...",
    ),
    cfg.Opt(
        "bridge_mappings",
        type=types.Dict(types.String(regex="^" + DEVICE_NAME.pattern), bounds=False),
        default={},
        help="Linux bridges that you have made and tied to a physical network yourself: the ports "
        "of its flat network go into them, physnet1:br-ex. The agent makes and removes none, and "
        "puts no NIC into them (Neutron's linux bridge agent had an option of this name).",
    ),
    cfg.IPOpt(
        "vxlan_local_ip",
        help="This host's end of all VXLAN tunnels: an address of its own, IPv4 or IPv6. Without "
        "it there are none, and a port of such a network fails with not_configured (Neutron's "
        "[VXLAN] local_ip).",
    ),
    cfg.StrOpt(
        "vxlan_group",
        default="224.0.0.1",
        help="Multicast group of VXLAN networks; of a range (239.0.0.0/8) each VNI has its own, by "
        "its low bits, as Neutron's agent chose it. Not used with vxlan_peers.",
    ),
    cfg.ListOpt(
        "vxlan_multicast_ranges",
        default=[],
        metavar="GROUP:FIRST_VNI:LAST_VNI",
        help="Multicast groups of some VNIs in place of vxlan_group, e.g. "
        "239.1.0.1:10000:19999,239.1.0.2:20000:29999; the first range with the VNI counts "
        "(Neutron's [VXLAN] multicast_ranges). Not used with vxlan_peers.",
    ),
    cfg.ListOpt(
        "vxlan_peers",
        item_type=types.IPAddress(),
        default=[],
        help="The tunnel ends of all hosts, where the network between them carries no multicast: "
        "broadcast is sent to each. This host's own may be among them, so the list can be the same "
        "on all hosts.",
    ),
    cfg.IntOpt(
        "vxlan_ttl",
        min=1,
        max=255,
        help="Time to live of tunnelled packets; unset: the kernel's. More than 1 for a multicast "
        "group that must cross a router.",
    ),
    cfg.PortOpt(
        "vxlan_port",
        default=8472,
        min=1,
        help="UDP port of the tunnels, on all hosts the same. Neutron's linux bridge agent took "
        "the kernel's own, which is this; the standard's is 4789.",
    ),
]
