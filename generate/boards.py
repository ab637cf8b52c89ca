"""etc/grafana/*.json: what each board shows. How Grafana wants that written: ``grafana``."""

from __future__ import annotations

from generate.grafana import HOST, HOSTS, STAT, STATES, TABLE, Board, Panel, Query, text_of

_RANGE = "$__rate_interval"


def _sum(metric: str, by: str, labels: str = "@") -> Query:
    return Query(f"sum by ({by}) (vif_agent_{metric}{{{labels}}})", _legend(by))


def _rate(metric: str, by: str, labels: str = "@") -> Query:
    return Query(f"sum by ({by}) (rate(vif_agent_{metric}{{{labels}}}[{_RANGE}]))", _legend(by))


def _quantile(which: float, metric: str, by: str = "", labels: str = "@") -> Query:
    parts = ", ".join(filter(None, ("le", by)))
    rate = f"rate(vif_agent_{metric}_bucket{{{labels}}}[{_RANGE}])"
    expression = f"histogram_quantile({which}, sum by ({parts}) ({rate}))"
    return Query(expression, f"p{which * 100:g} {_legend(by)}".strip())


def _legend(by: str) -> str:
    return " ".join(f"{{{{{label}}}}}" for label in by.split(", ") if label)


def _worst(expression: str) -> Query:
    return Query(f"topk(10, sum by (instance) ({expression}) > 0)", "{{instance}}")


def _value(metric: str, legend: str = "") -> Query:
    return Query(f"vif_agent_{metric}{{@}}", legend)


_PLUGS = '@,verb="plug"'

FLEET = Board(
    "fleet",
    "vif-agent: all hosts",
    (
        Panel("Agents that answer", Query('sum(up{job="vif-agent"})'), STAT, width=4),
        Panel(
            "Agents that take no requests",
            Query("count(vif_agent_ready == 0) or vector(0)"), STAT, width=4, bad_from=1,
        ),
        Panel("Ports", Query("sum(vif_agent_ports)"), STAT, width=4),
        Panel(
            "Ports in error",
            Query('sum(vif_agent_ports{state="error"}) or vector(0)'), STAT, width=4, bad_from=1,
        ),
        Panel(
            "Longest wait of a port",
            Query(
                'max(vif_agent_oldest_unsettled_seconds{state=~"pending|retrying"}) or vector(0)'
            ), STAT, "s", width=4, bad_from=300,
        ),
        Panel("Versions", Query("count by (version) (vif_agent_build_info)", "{{version}}"),
              STAT, width=4),
        Panel("Alerts", Query('ALERTS{alertname=~"VifAgent.*"}'), TABLE, width=24),
        Panel("Ports by state", _sum("ports", "state"), stacked=True),
        Panel("What goes wrong, by code",
              _rate("operations_total", "result", 'result!="ok"'), unit="ops"),
        Panel("Until a port is plugged", (
            _quantile(0.5, "operation_duration_seconds", labels=_PLUGS),
            _quantile(0.99, "operation_duration_seconds", labels=_PLUGS),
        ), unit="s"),
        Panel("Plugs and unplugs", _rate("operations_total", "verb"), unit="ops"),
        Panel("From cast to disk",
              (_quantile(0.5, "cast_age_seconds"), _quantile(0.99, "cast_age_seconds")), unit="s"),
        Panel("What is not well", Query("sum by (part) (vif_agent_part_healthy == bool 0)",
                                        "{{part}}")),
        Panel("Hosts with ports in error", _worst('vif_agent_ports{state="error"}')),
        Panel("Hosts whose plugs are slow", Query(
            "topk(10, histogram_quantile(0.99, sum by (le, instance) (rate("
            f'vif_agent_operation_duration_seconds_bucket{{verb="plug"}}[{_RANGE}]))))',
            "{{instance}}",
        ), unit="s"),
        Panel("Hosts that are changed by others",
              _worst(f"rate(vif_agent_drift_total[{_RANGE}])"), unit="ops"),
        Panel("Hosts with orphans", _worst("vif_agent_orphans")),
        Panel("Hosts by memory of the agent",
              _worst("vif_agent_process_resident_memory_bytes"), unit="bytes"),
        Panel("Hosts by CPU of the agent",
              _worst(f"rate(vif_agent_process_cpu_seconds_total[{_RANGE}])"), unit="percentunit"),
    ),
)  # fmt: skip

ONE_HOST = Board(
    "host",
    "vif-agent: one host",
    (
        Panel("Parts of the agent", _value("part_healthy", "{{part}}"), STATES, width=16),
        Panel("Runs for", Query("time() - vif_agent_start_time_seconds{@}"), STAT, "s", width=4),
        Panel("Takes requests", _value("ready"), STAT, width=4),
        Panel("Ports by state", _sum("ports", "state"), stacked=True),
        Panel("Ports by vif_type", _sum("ports", "vif_type"), stacked=True),
        Panel("Longest wait, by what is in the way",
              _value("oldest_unsettled_seconds", "{{state}} {{code}}"), unit="s"),
        Panel("Casts", _rate("casts_total", "method, result"), unit="ops"),
        Panel("From cast to disk", _quantile(0.99, "cast_age_seconds"), unit="s"),
        Panel("Results", _rate("operations_total", "verb, result"), unit="ops"),
        Panel("Until it is done", (
            _quantile(0.5, "operation_duration_seconds", "verb"),
            _quantile(0.99, "operation_duration_seconds", "verb"),
        ), unit="s"),
        Panel("Tried again, by code", _rate("retries_total", "code"), unit="ops"),
        Panel("Results on their way out",
              (_value("notifications_waiting", "waiting"),
               _value("notifications_dropped_total", "given up since the start"))),
        Panel("Reconciles", _rate("reconcile_duration_seconds_count", "scope"), unit="ops"),
        Panel("They last", _quantile(0.99, "reconcile_duration_seconds", "scope"), unit="s"),
        Panel("Ports of a reconcile",
              (_quantile(0.5, "reconcile_ports"), _quantile(0.99, "reconcile_ports"))),
        Panel("Where its time goes, by phase",
              _rate("host_phase_duration_seconds_sum", "phase"), unit="percentunit", stacked=True),
        Panel("The whole host was looked at", (
            Query("time() - vif_agent_full_look_timestamp_seconds{@}", "so long ago"),
            _value("full_look_duration_seconds", "it lasted"),
            _value("check_interval_seconds", "check_interval"),
        ), unit="s"),
        Panel("Put right, by kind", _rate("drift_total", "kind"), unit="ops"),
        Panel("Things that others keep changing", _value("fights", "fights")),
        Panel("Orphans", (_sum("orphans", "kind, in_use"),
                          _rate("orphans_removed_total", "kind"))),
        Panel("The helper's calls last", _quantile(0.99, "helper_call_duration_seconds", "call"),
              unit="s"),
        Panel("What the kernel refuses", _rate("kernel_refusals_total", "errno"), unit="ops"),
        Panel("OVSDB's transactions",
              _rate("ovsdb_transaction_duration_seconds_count", "result"), unit="ops"),
        Panel("They last", (_quantile(0.99, "ovsdb_transaction_duration_seconds", "result"),
                            _quantile(0.99, "ofport_wait_seconds")), unit="s"),
        Panel("Ports of the integration bridge", _sum("bridge_ports", "kind"), stacked=True),
        Panel("Events", (_rate("events_total", "source"),
                         _rate("events_lost_total", "source")), unit="ops"),
        Panel("Plugins that answer", _value("plugin_up", "{{plugin}} {{package}}"), STATES),
        Panel("Plugins' answers last", _quantile(0.99, "plugin_answer_duration_seconds", "plugin"),
              unit="s"),
        Panel("Plugins that were ended", _rate("plugin_falls_total", "plugin"), unit="ops"),
        Panel("Vendors' programs", _rate("command_duration_seconds_count", "program, result"),
              unit="ops"),
        Panel("They last", _quantile(0.99, "command_duration_seconds", "program"), unit="s"),
        Panel("The store's writes last", _quantile(0.99, "store_write_duration_seconds", "kind"),
              unit="s"),
        Panel("Writes that went wrong", _rate("store_errors_total", "kind"), unit="ops"),
        Panel("The store's files", _value("store_size_bytes", "size"), unit="bytes"),
        Panel("Neutron", (
            _value("neutron_ports_to_tell", "ports to tell"),
            _value("neutron_ports_failed", "ports that have failed"),
            _value("neutron_vxlan_peers", "VXLAN peers"),
        )),
        Panel("Neutron has answered a report",
              Query("time() - vif_agent_neutron_report_timestamp_seconds{@}", "so long ago"),
              unit="s"),
        Panel("CPU", _rate("process_cpu_seconds_total", "process"), unit="percentunit"),
        Panel("Memory", _value("process_resident_memory_bytes", "{{process}}"), unit="bytes"),
        Panel("Descriptors", _value("process_open_fds", "{{process}}")),
    ),
    hosts=HOST,
)  # fmt: skip

SECURITY = Board(
    "security",
    "vif-agent: who may say what",
    (
        Panel("Guarded devices", Query("sum(vif_agent_guarded_ports{@})"), STAT, width=6),
        Panel("Frames dropped in this time",
              Query("sum(increase(vif_agent_guard_dropped_packets_total{@}[$__range]))"), STAT,
              width=6),
        Panel("Casts refused in this time", Query(
            'sum(increase(vif_agent_casts_total{@,result="refused"}[$__range])) or vector(0)'
        ), STAT, width=6),
        Panel("Alerts of spoofing", Query(
            'count(ALERTS{@,alertname="VifAgentSpoofing",alertstate="firing"}) or vector(0)'
        ), STAT, width=6, bad_from=1),
        Panel("Frames dropped, by reason", _rate("guard_dropped_packets_total", "reason"),
              unit="pps", width=12, stacked=True),
        Panel("Frames dropped, by host", Query(
            "topk(10, sum by (instance) "
            f"(rate(vif_agent_guard_dropped_packets_total{{@}}[{_RANGE}])) > 0)", "{{instance}}",
        ), unit="pps", width=12),
        Panel("Guarded devices, by host", _value("guarded_ports", "{{instance}}")),
        Panel("Guards that others have changed",
              _rate("drift_total", "instance", '@,kind="guard"'), unit="ops"),
        Panel("Casts refused at the door", _rate("casts_total", "instance, method",
                                                 '@,result="refused"'), unit="ops"),
        Panel("What the kernel, or the helper's policy, refuses",
              _rate("kernel_refusals_total", "instance, errno"), unit="ops"),
        Panel("Ports refused for want of a permission", _rate(
            "operations_total", "instance, result",
            '@,result=~"command_not_allowed|not_configured|invalid_request"'), unit="ops"),
        Panel("Events of the table of guards",
              _rate("events_total", "instance", '@,source="nftables"'), unit="ops"),
    ),
    hosts=HOSTS,
)  # fmt: skip


def fleet() -> str:
    return text_of(FLEET)


def host() -> str:
    return text_of(ONE_HOST)


def security() -> str:
    return text_of(SECURITY)
