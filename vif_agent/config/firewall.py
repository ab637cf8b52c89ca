"""The options of guards against spoofing."""

from oslo_config import cfg

from vif_agent.config.option_types import EtherType

FIREWALL: list[cfg.Opt] = [
    cfg.StrOpt(
        "driver",
        sample_default="nftables",
        help="Who guards the ports that the agent wires into a linux bridge (vif_type 'bridge', "
        "and 'tap' with [bridge] wire_taps), so that no guest pretends to be another: the name of "
        "an entry point in the group vif_agent.firewall_drivers. 'nftables': the kernel, by sets "
        "and rules in a table of the agent's own; where it cannot, the agent does not start. "
        "'noop': nobody. Not set: 'nftables' where the kernel can, else nobody, and a warning in "
        "the log names the first port that is not guarded. nova's old names are understood, "
        "with a hint in the log: nova.virt.firewall.NoopFirewallDriver is noop, "
        "nova.virt.libvirt.firewall.IptablesFirewallDriver and libvirt are nftables. Other "
        "packages may bring others: 'vif-agentctl plugin list' has the names. Other ports are "
        "guarded by those who switch or route them: docs/firewall.md.",
    ),
    cfg.StrOpt(
        "unknown_pairs",
        default="mac_only",
        choices=[
            (
                "mac_only",
                "its MAC, also in ARP and RARP, and that it is neither DHCP server nor router; "
                "its IP addresses are not looked at",
            ),
            (
                "strict",
                "its fixed addresses, and no others: a guest that has an address pair (VRRP, "
                "keepalived) loses it, and one whose port security is off is guarded all the same",
            ),
        ],
        help="What is held of a port whose sender does not say which addresses it may use besides "
        "its fixed ones (the VIF's meta.allowed_address_pairs; an empty list is a word, too). nova "
        "does not say it. 'strict' is for sites without Neutron's allowed address pairs.",
    ),
    cfg.BoolOpt(
        "routed_taps",
        default=False,
        help="Does the driver also guard taps that the host routes (vif_type 'tap' without "
        "[bridge] wire_taps)? For hosts where nobody else does, as Calico's Felix would. What such "
        "a guest says to the host is held to the same as in a bridge.",
    ),
    cfg.ListOpt(
        "permitted_ethertypes",
        item_type=EtherType(),
        default=[],
        help="What guests may send besides IP and ARP, by the numbers of these protocols, e.g. "
        "0x88cc,0x8863 (Neutron's option of this name).",
    ),
]
