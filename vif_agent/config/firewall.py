"""The options of guards against spoofing."""

from oslo_config import cfg

from vif_agent.config.option_types import EtherType

FIREWALL: list[cfg.Opt] = [
    cfg.StrOpt(
        "driver",
        default="noop",
        help="Who guards the ports that the agent wires into a linux bridge (vif_type 'bridge', "
        "and 'tap' with [bridge] wire_taps), so that no guest pretends to be another: the name of "
        "an entry point in the group vif_agent.firewall_drivers. 'noop': nobody. 'nftables': the "
        "kernel, by sets and rules in a table of the agent's own. Other packages may bring others: "
        "'vif-agentctl plugin list' has the names. Other ports are guarded by those who switch or "
        "route them: docs/firewall.md.",
    ),
    cfg.StrOpt(
        "unknown_pairs",
        default="mac_only",
        choices=[
            ("mac_only", "the guest's MAC, and no DHCP server nor router; any IP address"),
            ("strict", "its fixed addresses, and no others"),
        ],
        help="What is held of a port whose sender does not say which addresses it may use besides "
        "its fixed ones (the VIF's meta.allowed_address_pairs). nova does not: 'strict' takes away "
        "the addresses that a site gives by Neutron's allowed address pairs, as of VRRP.",
    ),
    cfg.ListOpt(
        "permitted_ethertypes",
        item_type=EtherType(),
        default=[],
        help="What guests may send besides IP and ARP, by the numbers of these protocols, e.g. "
        "0x88cc,0x8863 (Neutron's option of this name).",
    ),
]
