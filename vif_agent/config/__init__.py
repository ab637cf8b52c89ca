"""Every option of the agent, in one place. Names are kept for ever: upgrades break no file."""

import socket
from typing import Any

from oslo_config import cfg

from vif_agent.config.firewall import FIREWALL
from vif_agent.config.metrics import METRICS
from vif_agent.config.networks import BRIDGE, NETWORK
from vif_agent.config.neutron import NEUTRON
from vif_agent.config.open_vswitch import OVS
from vif_agent.config.option_types import BusName
from vif_agent.config.vendors import COMMANDS, SRIOV, VROUTER

DEFAULT: list[cfg.Opt] = [
    cfg.Opt(
        "host",
        type=BusName(),
        default=socket.gethostname(),
        sample_default="<your hostname>",
        help="Name of this hypervisor on the message bus: nova-compute's own 'host' option, "
        "whatever that is. The agent's queue is named after it, and no other agent may have it.",
    ),
    cfg.StrOpt(
        "state_path",
        default="/var/lib/vif-agent",
        regex=r"^/.+",
        metavar="/PATH",
        help="Directory of the agent's store. Keep it over reboots: it holds the requests. Locked "
        "by the agent, so that no second one works from it.",
    ),
]

AGENT: list[cfg.Opt] = [
    cfg.StrOpt(
        "concurrency",
        default="threading",
        choices=[("threading", "native threads"), ("eventlet", "green threads (deprecated)")],
        help="How the bus side runs. 'eventlet' is for sites whose OpenStack still runs on it; "
        "what happens to ports is the same with both.",
    ),
    cfg.StrOpt(
        "tun_device",
        default="/dev/net/tun",
        help="The kernel's tun/tap control device. The agent's user must be able to open it.",
    ),
    cfg.StrOpt(
        "tap_owner",
        help="The account, by name or uid, that may open the taps that the agent makes, besides "
        "whoever has CAP_NET_ADMIN (libvirtd as root, which hands them to qemu). Default: the "
        "agent's own. Where qemu itself, or a libvirtd without that capability, opens them: "
        "libvirt-qemu (or qemu). A tap without an owner could be opened by every local user, who "
        "would be the guest to the network; one that is there keeps the owner that it has.",
    ),
    cfg.FloatOpt(
        "helper_timeout",
        default=60,
        min=1,
        help="Seconds for one call to the privileged helper, and 0.1 more for each device in it. "
        "If it hangs for longer, in the kernel or in a driver, the agent kills it and ends with "
        "status 1, for systemd to start both anew.",
    ),
    cfg.FloatOpt(
        "retry_min",
        mutable=True,
        default=0.5,
        min=0.01,
        help="Seconds before the first new attempt after a transient failure; doubled each time, "
        "up to retry_max.",
    ),
    cfg.FloatOpt(
        "retry_max",
        mutable=True,
        default=60,
        min=0.1,
        help="Longest pause, in seconds, between two attempts at a port that fails for a "
        "transient reason.",
    ),
    cfg.StrOpt(
        "ports_file",
        metavar="/PATH",
        help="A JSON file of ports to plug, for where no sender casts them: a list of VIFs, or of "
        '{"instance": ..., "vif": ...}, as sync_vifs takes them. Read at start and within a second '
        "of each change: what it lists is plugged, what it lists no longer is unplugged, ports "
        "that were cast are left alone. Write it anew and move it over the old one. A file that is "
        "missing or no list changes nothing; a bad item, or one that says something else of a port "
        "than an item before it, is refused by itself; an item without a port's id lets nothing be "
        "unplugged; an empty list is believed after [cleanup] interval. The log says all of it. "
        "What it is for: docs/nova.md.",
    ),
    cfg.FloatOpt(
        "check_interval",
        mutable=True,
        default=300,
        min=0,
        help="Seconds between two reconciles of the whole host; drift that the kernel or OVSDB "
        "tells of is put right at once all the same. 0: no such reconcile.",
    ),
]

CLEANUP: list[cfg.Opt] = [
    cfg.BoolOpt(
        "enabled",
        mutable=True,
        default=False,
        help="Whether orphans are removed: devices and OVS ports with the agent's owner tag but "
        "no request, and OVS ports plugged by others whose device is gone. They are listed "
        "always. Of those in use none is removed: docs/operations.md.",
    ),
    cfg.IntOpt(
        "sightings",
        default=2,
        min=2,
        help="How often an orphan must be found, at reconciles of the whole host (every "
        "[vif_agent] check_interval), before it is removed.",
    ),
    cfg.FloatOpt(
        "interval",
        default=60,
        min=0,
        help="Least seconds between two confirmations that both count. Also how long after an "
        "empty complete set of ports (sync_vifs) a second one is believed.",
    ),
    cfg.IntOpt(
        "max_per_round",
        mutable=True,
        default=10,
        min=1,
        help="Ports whose orphans are removed at one reconcile; the next ones wait for the next.",
    ),
]

PLUGINS: list[cfg.Opt] = [
    cfg.ListOpt(
        "override",
        default=[],
        metavar="VIF_TYPE:PLUGIN",
        help="Which installed plugin plugs a vif_type instead of the one of that name, e.g. "
        "ovs:my_ovs. 'vif-agentctl plugin list' has the names. The agent does not start if one of "
        "these cannot be honoured. How to write one: docs/plugins.md.",
    ),
    cfg.ListOpt(
        "borrow",
        default=[],
        metavar="DEVICE",
        help="Devices of this host, e.g. eth4_*, that plugins of other packages may change for a "
        "port's sake although they are not named after it: representors, VFs, NICs.",
    ),
    cfg.FloatOpt(
        "timeout",
        default=5,
        min=0.1,
        help="Seconds that a plugin or a firewall driver of another package may take for one "
        "answer; then its process is killed, and rests before it is asked again. Only the ports "
        "that it is asked for wait for it.",
    ),
]

GROUPS = (
    (cfg.OptGroup("vif_agent", title="The agent itself"), AGENT),
    (cfg.OptGroup("ovs", title="vif_type ovs, and Open vSwitch in general"), OVS),
    (cfg.OptGroup("bridge", title="vif_type bridge"), BRIDGE),
    (cfg.OptGroup("sriov", title="vif_type hw_veb: virtual functions of SR-IOV cards"), SRIOV),
    (cfg.OptGroup("vrouter", title="Ports of Contrail's vRouter"), VROUTER),
    (cfg.OptGroup("commands", title="Vendors' programs, run for some vif_types"), COMMANDS),
    (cfg.OptGroup("network", title="What ties linux bridges to their networks"), NETWORK),
    (cfg.OptGroup("neutron", title="The agent as one of Neutron's"), NEUTRON),
    (cfg.OptGroup("firewall", title="Who guards ports against spoofing, and how"), FIREWALL),
    (cfg.OptGroup("metrics", title="What monitoring may see of the agent"), METRICS),
    (cfg.OptGroup("plugins", title="The plugins, by their names"), PLUGINS),
    (cfg.OptGroup("cleanup", title="What is left on the host and belongs to no port"), CLEANUP),
)


def register(conf: Any) -> None:
    """All options, in their groups; once for each configuration object."""
    conf.register_opts(DEFAULT)
    for group, options in GROUPS:
        conf.register_group(group)
        conf.register_opts(options, group)


def list_opts() -> list[tuple[Any, list[cfg.Opt]]]:
    """For oslo-config-generator."""
    return [("DEFAULT", DEFAULT), *GROUPS]
