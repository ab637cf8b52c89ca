"""Each alert comes when it is to, and not before; by promtool, in seconds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.support.prometheus import BOARDS, ROOT, RULES, promtool, unit_tests
from vif_agent.host.nft.tables import REASONS
from vif_agent.metrics.exported import EXPORTED
from vif_agent.metrics.family import HISTOGRAM

Series = dict[str, str]


class Case(NamedTuple):
    """``quiet`` and ``loud``: series a quarter of a minute apart, without which agent it is."""

    quiet: Series
    loud: Series
    minutes: int = 30


FOREVER = "x100000"


def stays(value: float) -> str:
    return f"{value}{FOREVER}"


def grows(by: float) -> str:
    return f"0+{by}{FOREVER}"


def plugs(name: str, *buckets: tuple[str, float]) -> Series:
    return {
        f'{name}_bucket{{verb="plug",vif_type="ovs",le="{le}"}}': grows(by) for le, by in buckets
    }


OPERATIONS = 'operations_total{verb="plug",vif_type="ovs",result="%s"}'
DURATION = "operation_duration_seconds"
CASES = {
    "VifAgentDown": Case({"up": stays(1)}, {"up": stays(0)}),
    "VifAgentLoopStalled": Case(
        {'part_healthy{part="loop"}': stays(1), "full_look_timestamp_seconds": grows(15),
         "check_interval_seconds": stays(300)},
        {"full_look_timestamp_seconds": stays(0), "check_interval_seconds": stays(300)},
    ),
    "VifAgentStoreFailing": Case(
        {'part_healthy{part="store"}': stays(1), 'store_errors_total{kind="sync"}': stays(7)},
        {'store_errors_total{kind="sync"}': grows(1)},
    ),
    "VifAgentOvsdbAway": Case(
        {'part_healthy{part="ovsdb"}': stays(1), 'part_healthy{part="bus"}': stays(0)},
        {'part_healthy{part="ovsdb"}': stays(0)},
    ),
    "VifAgentPortStuck": Case(
        {'oldest_unsettled_seconds{state="pending",code=""}': stays(299),
         'oldest_unsettled_seconds{state="retrying",code="not_yet"}': stays(9999),
         'oldest_unsettled_seconds{state="error",code="conflict"}': stays(9999)},
        {'oldest_unsettled_seconds{state="retrying",code="ovsdb_unavailable"}': stays(301)},
    ),
    "VifAgentPortsInError": Case(
        {'ports{state="ready",vif_type="ovs"}': stays(9)},
        {'ports{state="error",vif_type="ovs"}': stays(1)},
    ),
    "VifAgentPlugErrors": Case(
        {OPERATIONS % "ok": grows(96), OPERATIONS % "conflict": grows(4)},
        {OPERATIONS % "ok": grows(94), OPERATIONS % "conflict": grows(6)},
    ),
    "VifAgentPlugSlow": Case(
        plugs(DURATION, ("5", 99.5), ("10", 100), ("+Inf", 100)),
        plugs(DURATION, ("5", 90), ("10", 100), ("+Inf", 100)),
    ),
    "VifAgentBusAway": Case(
        {'part_healthy{part="bus"}': stays(1)}, {'part_healthy{part="bus"}': stays(0)}
    ),
    "VifAgentFight": Case({"fights": stays(0)}, {"fights": stays(1)}),
    "VifAgentDriftStorm": Case(
        {'drift_total{kind="link"}': grows(14)},
        {'drift_total{kind="link"}': grows(8), 'drift_total{kind="ovs-port"}': grows(8)},
    ),
    "VifAgentOrphans": Case(
        {'orphans{kind="tagged",in_use="no"}': stays(20)},
        {'orphans{kind="tagged",in_use="no"}': stays(20),
         'orphans{kind="dead",in_use="yes"}': stays(1)},
        minutes=90,
    ),
    "VifAgentDeadPorts": Case(
        {'bridge_ports{bridge="br-int",kind="dead"}': stays(10),
         'bridge_ports{bridge="br-int",kind="ours"}': stays(40)},
        {'bridge_ports{bridge="br-int",kind="dead"}': stays(10),
         'bridge_ports{bridge="br-int",kind="ours"}': stays(39)},
        minutes=90,
    ),
    "VifAgentPluginDown": Case(
        {'plugin_up{plugin="acme",package="acme 1"}': stays(1)},
        {'plugin_up{plugin="acme",package="acme 1"}': stays(0)},
    ),
    "VifAgentCommandFailing": Case(
        {'command_duration_seconds_count{program="mm-ctl",result="ok"}': grows(1)},
        {'command_duration_seconds_count{program="mm-ctl",result="failed"}': grows(1)},
    ),
    "VifAgentEventsLost": Case(
        {'events_lost_total{source="kernel"}': stays(3)},
        {'events_lost_total{source="kernel"}': "0x60 1x60"},
        minutes=20,
    ),
    "VifAgentRestarts": Case(
        {"start_time_seconds": "1x60 2x30 3x30"}, {"start_time_seconds": "1x60 2x10 3x10 4x30"},
        minutes=24,
    ),
    "VifAgentSpoofing": Case(
        {'guard_dropped_packets_total{reason="mac"}': grows(14),
         'guard_dropped_packets_total{reason="ethertype"}': grows(900)},
        {'guard_dropped_packets_total{reason="ip4_source"}': grows(16)},
    ),
    "VifAgentVersionSkew": Case(
        {'build_info{version="1"}': stays(1)},
        {'build_info{version="1",at="a"}': stays(1), 'build_info{version="2",at="b"}': stays(1)},
        minutes=25 * 60,
    ),
}  # fmt: skip


def rules() -> list[dict[str, Any]]:
    return [
        rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
    ]


def of_an_agent(name: str) -> str:
    prefix = "" if name == "up" else "vif_agent_"
    bare, _, labels = name.partition("{")
    more = f",{labels}" if labels else "}"
    return f'{prefix}{bare}{{job="vif-agent",instance="compute-1:9479"{more}'


def checked(alert: str, series: Series, minutes: int, firing: int) -> dict[str, Any]:
    expression = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)'
    return {
        "name": f"{alert}: {'loud' if firing else 'quiet'}",
        "interval": "15s",
        "input_series": [
            {"series": of_an_agent(name), "values": values} for name, values in series.items()
        ],
        "promql_expr_test": [
            {"expr": expression, "eval_time": f"{minutes}m",
             "exp_samples": [{"labels": "{}", "value": firing}]}
        ],
    }  # fmt: skip


def all_tests() -> Iterator[dict[str, Any]]:
    for alert, case in CASES.items():
        yield checked(alert, case.quiet, case.minutes, 0)
        yield checked(alert, case.loud, case.minutes, 1)
        if wait := next(rule.get("for") for rule in rules() if rule["alert"] == alert):
            minutes = int(wait[:-1]) * {"m": 1, "h": 60, "d": 24 * 60}[wait[-1]]
            if (
                not re.search("rate|increase|timestamp", str(case.loud))
                and alert != "VifAgentPlugSlow"
            ):
                yield checked(alert, case.loud, minutes - 1, 0)


def test_rules_are_well_formed() -> None:
    assert promtool("check", "rules", str(RULES))[0] == 0


def test_each_alert_comes_when_it_is_to(tmp_path: Path) -> None:
    """A rule that waits for a day is looked at less often than the others."""
    long = [test for test in all_tests() if test["name"].startswith("VifAgentVersionSkew")]
    short = [test for test in all_tests() if test not in long]
    for tests, interval in ((short, "15s"), (long, "10m")):
        status, said = unit_tests(tmp_path, tests, interval)
        assert status == 0, said


def test_a_textfile_that_nobody_writes_is_told(tmp_path: Path) -> None:
    name = 'node_textfile_mtime_seconds{file="/var/lib/prometheus/node-exporter/vif-agent.prom"}'
    for value, firing in (("0+15x1000", 0), ("0x1000", 1)):
        test = checked("VifAgentDown", {}, 10, firing)
        test["input_series"] = [{"series": name, "values": value}]
        assert unit_tests(tmp_path, [test]) == (
            0,
            "Unit Testing:  " + str(tmp_path / "tests.yml") + "\n  SUCCESS\n\n",
        )


def test_each_alert_has_its_test_its_severity_and_its_section() -> None:
    assert [rule["alert"] for rule in rules()] == [*dict.fromkeys(r["alert"] for r in rules())]
    assert {rule["alert"] for rule in rules()} == CASES.keys()
    book = (ROOT / "docs" / "runbooks.md").read_text()
    sections = re.findall("^## (VifAgent[A-Za-z]+)$", book, re.MULTILINE)
    assert sections == [rule["alert"] for rule in rules()]
    for rule in rules():
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
        anchor = rule["annotations"]["runbook_url"].rpartition("#")[2]
        assert anchor == rule["alert"].lower()


def test_each_section_says_what_it_means_what_to_do_and_when_it_ends() -> None:
    sections = (ROOT / "docs" / "runbooks.md").read_text().split("\n## ")[1:]
    for section in sections:
        assert re.findall(r"^- *(?:\*\*(.+?)\*\*)?", section, re.MULTILINE) == [
            "Means", "Look at", "Do", "Ends",
        ], section  # fmt: skip


def test_spoofing_is_of_reasons_that_are_counted() -> None:
    text = next(rule["expr"] for rule in rules() if rule["alert"] == "VifAgentSpoofing")
    reasons = re.findall(r'reason=~"(.*?)"', text)[0].split("|")
    assert set(reasons) - set(REASONS) == set()


def exported() -> set[str]:
    ends = ("_bucket", "_count", "_sum")
    names = {f"{f.name}{end}" for f in EXPORTED if f.kind == HISTOGRAM for end in ends}
    return names | {family.name for family in EXPORTED}


@pytest.mark.parametrize(
    "path",
    [
        RULES,
        *sorted(BOARDS.glob("*.json")),
        ROOT / "docs" / "runbooks.md",
        ROOT / "docs" / "metrics.md",
    ],
    ids=lambda path: path.name,
)
def test_only_what_is_exported_is_spoken_of(path: Path) -> None:
    named = set(re.findall(r"\bvif_agent_[a-z_]+\b", path.read_text()))
    assert named - exported() - {"vif_agent_"} == set()
    assert named
