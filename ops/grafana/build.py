"""From panels to the JSON that Grafana reads (dashboard schema 39, Grafana 10 and later)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ops.grafana.panels import DASHBOARDS, Dashboard, Panel

FOLDER = Path(__file__).parent / "dashboards"
_SOURCE = {"type": "prometheus", "uid": "${source}"}
_COLUMNS, _HEIGHT = 3, 8
_WIDTH = 24 // _COLUMNS


def build(dashboard: Dashboard) -> dict[str, Any]:
    """The JSON of a dashboard, as plain data."""
    return {
        "uid": f"shapelode-{dashboard.name}",
        "title": f"Shapelode: {dashboard.title}",
        "tags": ["shapelode"],
        "schemaVersion": 39,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [_source_variable(), _instance_variable()]},
        "links": [{"type": "dashboards", "tags": ["shapelode"], "title": "Shapelode", "asDropdown": True}],
        "panels": [_panel(number, panel) for number, panel in enumerate(dashboard.panels)],
    }


def _source_variable() -> dict[str, Any]:
    return {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def _instance_variable() -> dict[str, Any]:
    return {
        "name": "instance",
        "label": "Daemon",
        "type": "query",
        "datasource": _SOURCE,
        "query": "label_values(shapelode_stored_images, instance)",
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    row, column = divmod(number, _COLUMNS)
    return {
        "id": number + 1,
        "title": panel.title,
        "description": panel.text,
        "type": panel.kind,
        "datasource": _SOURCE,
        "gridPos": {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + place), "datasource": _SOURCE, "expr": query.expr, "legendFormat": query.legend}
            for place, query in enumerate(panel.queries)
        ],
    }


def render(dashboard: Dashboard) -> str:
    """The text of a dashboard's file."""
    return json.dumps(build(dashboard), indent=1) + "\n"


def write(folder: Path = FOLDER) -> list[Path]:
    """Writes every dashboard into a folder; returns the files."""
    paths = []
    for dashboard in DASHBOARDS:
        path = folder / f"{dashboard.name}.json"
        path.write_text(render(dashboard))
        paths.append(path)
    return paths
