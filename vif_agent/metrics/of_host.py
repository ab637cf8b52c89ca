"""Metrics of what the host is asked and tells: kernel, Open vSwitch, guards, plugins, programs."""

from vif_agent.helper.process import helper
from vif_agent.metrics.family import Family, counter, gauge, histogram
from vif_agent.metrics.sources import Sources
from vif_agent.plugin_host.kinds import FIREWALL_DRIVER
from vif_agent.plugin_host.sub_process import SubProcess
from vif_agent.tally import Durations, Labels


def _heard(sources: Sources) -> dict[Labels, float]:
    counts: dict[Labels, float] = {(who,): count for who, count in sources.host.events.items()}
    return {**counts, **sources.host.counted.events.read()}


def _lost(sources: Sources) -> dict[Labels, float]:
    kernel: dict[Labels, float] = {("kernel",): sources.host.link_events["lost"]}
    return {**kernel, ("nftables",): 0, **sources.host.counted.lost.read()}


def _bridge_ports(sources: Sources) -> dict[Labels, float]:
    return {
        (bridge, kind): count
        for bridge, kinds in sources.sampled.bridge_ports.items()
        for kind, count in kinds.items()
    }


def _drops(sources: Sources) -> dict[Labels, float]:
    return {(reason,): packets for reason, packets in sources.sampled.drops.items()}


def _plugins_up(sources: Sources) -> dict[Labels, float]:
    asked = {**sources.plugins.installed, **_apart(sources)}
    return {
        (name, plugin.package): float(not (plugin.error or _rests(plugin)))
        for name, plugin in asked.items()
    }


def _rests(plugin: object) -> bool:
    return isinstance(plugin, SubProcess) and plugin.counted.rests


def _apart(sources: Sources) -> dict[str, SubProcess]:
    """A firewall driver's name may be that of a plugin, too, in the same package."""
    driver = sources.plugins.drivers.used
    asked = {**sources.plugins.installed, f"{FIREWALL_DRIVER.word} {driver.name}": driver}
    return {name: one for name, one in asked.items() if isinstance(one, SubProcess)}


def _answers(sources: Sources) -> Durations:
    apart = _apart(sources).items()
    return Durations.joined({(name, p.package): p.counted.answers for name, p in apart})


def _falls(sources: Sources) -> dict[Labels, float]:
    return {(name, p.package): p.counted.falls for name, p in _apart(sources).items()}


OF_HOST: tuple[Family, ...] = (
    histogram(
        "host_phase_duration_seconds",
        "How long the host takes: to be read, for some ports (read) or whole (read_all), and for "
        "each phase of a plan (guard, create, connect, run, delete, unguard).",
        lambda sources: sources.host.counted.phases,
        "phase",
    ),
    histogram(
        "helper_call_duration_seconds",
        "How long calls of the privileged helper take, by call.",
        lambda sources: helper.lasted,
        "call",
    ),
    counter(
        "kernel_refusals_total",
        "What the kernel has refused to the helper, or the helper's policy in the kernel's words, "
        "by errno.",
        lambda sources: helper.refusals.read(),
        "errno",
    ),
    histogram(
        "ovsdb_transaction_duration_seconds",
        "Until ovsdb-server has answered a transaction, by result: ok, overtaken (others had "
        "written, it is tried again) or failed.",
        lambda sources: sources.host.counted.transactions,
        "result",
    ),
    histogram(
        "ofport_wait_seconds",
        "From when a port is written until Open vSwitch has taken it in.",
        lambda sources: sources.host.counted.ofports,
    ),
    counter(
        "events_total",
        "Events that were heard, by who told: kernel, ovsdb, nftables.",
        _heard,
        "source",
    ),
    counter(
        "events_lost_total",
        "How often events were lost, and everything was read anew.",
        _lost,
        "source",
    ),
    gauge(
        "bridge_ports",
        "Ports of the integration bridge, by kind: ours, dead (the port of an instance whose "
        "device is gone, and not ours) or other.",
        _bridge_ports,
        "bridge",
        "kind",
    ),
    gauge(
        "guarded_ports",
        "Devices whose guests are held to their own addresses.",
        lambda sources: sources.host.guards.count,
    ),
    counter(
        "guard_dropped_packets_total",
        "Frames of guests that guards have dropped, by reason, as the kernel counts them.",
        _drops,
        "reason",
    ),
    gauge(
        "plugin_up",
        "1 for each plugin that answers, and for a firewall driver in a process of its own; 0 for "
        "one that cannot be loaded, or rests after a fault.",
        _plugins_up,
        "plugin",
        "package",
    ),
    histogram(
        "plugin_answer_duration_seconds",
        "How long a plugin or firewall driver in a process of its own takes for an answer.",
        _answers,
        "plugin",
        "package",
    ),
    counter(
        "plugin_falls_total",
        "How often the process of a plugin or firewall driver was ended for a fault, and rested.",
        _falls,
        "plugin",
        "package",
    ),
    histogram(
        "command_duration_seconds",
        "How long vendors' programs take, by program and result: ok or failed.",
        lambda sources: sources.host.commands.lasted,
        "program",
        "result",
    ),
)
