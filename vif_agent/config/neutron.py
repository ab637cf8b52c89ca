"""The options of the agent's part as an L2 agent of Neutron's."""

from oslo_config import cfg

NEUTRON: list[cfg.Opt] = [
    cfg.BoolOpt(
        "enabled",
        default=False,
        help="Whether the agent is an L2 agent to Neutron, whose mechanism driver 'vif_agent' then "
        "binds ports of this host: it reports its state, so that 'openstack network agent list' "
        "shows it, and sets ports ACTIVE and DOWN. Needs [bridge] wire_taps, and a transport_url "
        "that is Neutron's own. docs/neutron.md.",
    ),
    cfg.FloatOpt(
        "report_interval",
        default=30,
        min=1,
        help="Seconds between two reports of the agent's state. Neutron binds no port here when "
        "none has come for its agent_down_time (75 s): that should be at least twice this.",
    ),
    cfg.BoolOpt(
        "vxlan_peers",
        default=False,
        help="Whether Neutron names the tunnel ends of all hosts, and hosts come and go without a "
        "change here: where the network between them carries no multicast. [network] vxlan_peers, "
        "vxlan_group and vxlan_multicast_ranges are not used then. Tunnels that had a group are "
        "made anew when the first peers are known; set it on all hosts.",
    ),
]
