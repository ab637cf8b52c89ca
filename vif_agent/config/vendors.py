"""The options of SR-IOV cards, and of what only a vendor's program does."""

from oslo_config import cfg, types

from vif_agent.config.option_types import Words

SRIOV: list[cfg.Opt] = [
    cfg.ListOpt(
        "cards",
        default=[],
        metavar="CARD",
        help="The cards whose virtual functions casts may name (binding:profile pci_slot), by "
        "network device (as in Neutron's [sriov_nic] physical_device_mappings) or by PCI address "
        "(as in nova's [pci] device_spec), e.g. eth2,enp3s0f*,0000:81:00.*. Also for ports of "
        "vif_type 'ovs' with a representor. A port of a card that is not named here fails with "
        "not_configured, which names the card: any sender on the bus could name any VF, also one "
        "of another guest. *: all; it is left to the senders.",
    ),
    cfg.BoolOpt(
        "nic_agent",
        default=True,
        help="Whether Neutron's SR-IOV agent runs on this host. It then keeps the spoof check, "
        "link state and rates of virtual functions, and vif-agent leaves them alone. Off: "
        "vif-agent sets them, where the sender says in the VIF's 'meta' what the port has (nova "
        "does not), and resets what it has set. MAC, VLAN and trust are vif-agent's in any case.",
    ),
]

VROUTER: list[cfg.Opt] = [
    cfg.StrOpt(
        "port_type",
        default="NovaVMPort",
        choices=[("NovaVMPort", "virtual machines"), ("NameSpacePort", "nova's virt_type is lxc")],
        help="What vrouter-port-control is told that a port is (its --port_type).",
    ),
    cfg.BoolOpt(
        "create_tap",
        default=False,
        help="Whether the agent makes the tap of a vnic_type 'normal' port. Off, because libvirt "
        "does so, and refuses one that is there.",
    ),
]

COMMANDS: list[cfg.Opt] = [
    cfg.Opt(
        "allowed",
        type=types.Dict(types.String(regex=r"^/.+")),
        default={},
        sample_default="mm-ctl:/usr/bin/mm-ctl,ebrctl:/usr/bin/ebrctl",
        help="The vendors' programs that may be run for ports, NAME:FULL_PATH of each: what the "
        "plugin calls, and what is run. No other is: a port that needs one fails with "
        "command_not_allowed. Where 6WIND's is not on the host but a container's proxy for it: "
        "fp-vdev:/usr/bin/fp-vdev-remote, as 6WIND's own plugin does.",
    ),
    cfg.Opt(
        "prefix",
        type=Words(regex=r"^(/.*)?$"),
        default="",
        sample_default="/usr/bin/systemd-run --quiet --pipe --wait --collect",
        help="Put before each command, for programs that need more than the agent's user may do. "
        "docs/operations.md says what else that takes.",
    ),
    cfg.FloatOpt(
        "timeout",
        default=30,
        min=0.1,
        help="Seconds for a command; then it and all that it has started is killed, and the port "
        "is tried again later.",
    ),
    cfg.IntOpt(
        "at_once",
        default=8,
        min=1,
        help="How many commands may run at the same time. The agent goes on meanwhile: only the "
        "port of a command waits for it.",
    ),
    cfg.FloatOpt(
        "check_lasts",
        default=60,
        min=0,
        help="Seconds for which the answer of a check command is believed, where a plugin has "
        "one; after that it is run again when the port is reconciled.",
    ),
]
