"""A board as Grafana 10 and later import it: JSON, panels from left to right in rows of 24."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

SERIES, STAT, STATES, TABLE = "timeseries", "stat", "state-timeline", "table"

_ACROSS, _HEIGHT, _LOW = 24, 8, 4
_SOURCE = {"type": "prometheus", "uid": "${source}"}


class Query(NamedTuple):
    """``expression``: PromQL with @ for the hosts that are chosen; ``legend``: of its series."""

    expression: str
    legend: str = ""


@dataclasses.dataclass(frozen=True)
class Panel:
    """``bad_from``: a number is red from there on."""

    title: str
    queries: Query | tuple[Query, ...]
    kind: str = SERIES
    unit: str = "short"
    width: int = 8
    stacked: bool = False
    bad_from: float | None = None

    @property
    def height(self) -> int:
        return _LOW if self.kind == STAT else _HEIGHT

    @property
    def asked(self) -> tuple[Query, ...]:
        return (self.queries,) if isinstance(self.queries, Query) else self.queries


@dataclasses.dataclass(frozen=True)
class Board:
    """``hosts``: what one chooses by, HOST or HOSTS; empty: it shows all there are."""

    name: str
    title: str
    panels: tuple[Panel, ...]
    hosts: str = ""

    def expression(self, query: Query) -> str:
        """As Prometheus gets it, but for Grafana's variables."""
        if self.hosts:
            return query.expression.replace("@", self.hosts)
        return query.expression.replace("{@}", "").replace("@,", "")


HOST, HOSTS = 'instance="$instance"', 'instance=~"$instance"'


def text_of(board: Board) -> str:
    """A panel is a line."""
    whole = _board(board)
    panels = ",\n  ".join(json.dumps(panel) for panel in whole.pop("panels"))
    return f'{json.dumps(whole, indent=1)[:-2]},\n "panels": [\n  {panels}\n ]\n}}\n'


def _board(board: Board) -> dict[str, Any]:
    return {
        "uid": f"vif-agent-{board.name}",
        "title": board.title,
        "tags": ["vif-agent"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [*_variables(board)]},
        "links": [
            {"type": "dashboards", "title": "vif-agent", "tags": ["vif-agent"],
             "asDropdown": True, "includeVars": True, "keepTime": True, "icon": "external link",
             "targetBlank": False, "tooltip": "", "url": ""}
        ],
        "panels": [*_placed(board)],
    }  # fmt: skip


def _variables(board: Board) -> Iterator[dict[str, Any]]:
    yield {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    if board.hosts:
        every = board.hosts == HOSTS
        yield {
            "name": "instance", "label": "Host", "type": "query", "datasource": _SOURCE,
            "query": {"query": "label_values(vif_agent_build_info, instance)", "refId": "hosts"},
            "refresh": 2, "sort": 1, "multi": every, "includeAll": every,
        }  # fmt: skip


def _placed(board: Board) -> Iterator[dict[str, Any]]:
    """From left to right; a row is as high as its first panel."""
    x = y = height = 0
    for number, panel in enumerate(board.panels, 1):
        if x + panel.width > _ACROSS:
            x, y = 0, y + height
        height = panel.height if x == 0 else height
        place = {"x": x, "y": y, "w": panel.width, "h": height}
        yield _panel(board, panel) | {"id": number, "gridPos": place}
        x += panel.width


def _panel(board: Board, panel: Panel) -> dict[str, Any]:
    return {
        "type": panel.kind,
        "title": panel.title,
        "datasource": _SOURCE,
        "targets": [*_targets(board, panel)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel),
    }


def _targets(board: Board, panel: Panel) -> Iterator[dict[str, Any]]:
    for letter, query in zip("ABCD", panel.asked, strict=False):
        yield {
            "refId": letter,
            "datasource": _SOURCE,
            "expr": board.expression(query),
            "legendFormat": query.legend or "__auto",
            "instant": panel.kind in (STAT, TABLE),
            "range": panel.kind not in (STAT, TABLE),
            "format": "table" if panel.kind == TABLE else "time_series",
        }


def _defaults(panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.bad_from is not None:
        steps.append({"color": "red", "value": panel.bad_from})
    defaults: dict[str, Any] = {
        "unit": panel.unit,
        "min": 0,
        "thresholds": {"mode": "absolute", "steps": steps},
    }
    if panel.stacked:
        stacking = {"mode": "normal", "group": "A"}
        defaults["custom"] = {"stacking": stacking, "fillOpacity": 30}
    if panel.kind == STATES:
        words = {"0": {"text": "no", "color": "red"}, "1": {"text": "yes", "color": "green"}}
        defaults["mappings"] = [{"type": "value", "options": words}]
    return defaults


def _options(panel: Panel) -> dict[str, Any]:
    if panel.kind == STAT:
        reduce = {"calcs": ["lastNotNull"], "fields": "", "values": False}
        return {"reduceOptions": reduce, "colorMode": "value", "graphMode": "none",
                "textMode": "auto"}  # fmt: skip
    legend = {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []}
    return {} if panel.kind == TABLE else {"legend": legend, "tooltip": {"mode": "multi"}}
