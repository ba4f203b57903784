"""The dashboards: what they ask for exists, and their files are what the code says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ops import metrics
from ops.grafana import DASHBOARDS, FOLDER, Dashboard, build, write
from tests.test_ops_prometheus import metric_names, rules, used

NAMES = [dashboard.name for dashboard in DASHBOARDS]


def test_there_is_one_for_each_part() -> None:
    assert NAMES == ["overview", "ingest", "index", "reconstruction", "quality"]
    assert sorted(path.stem for path in FOLDER.glob("*.json")) == sorted(NAMES)


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=NAMES)
def test_every_query_is_about_metrics_that_exist_and_of_the_chosen_daemons(dashboard: Dashboard) -> None:
    assert len(dashboard.panels) >= 6
    for panel in dashboard.panels:
        assert panel.queries and panel.text.endswith(".")
        for query in panel.queries:
            assert used(query.expr) and used(query.expr) <= metric_names(), query.expr
            assert query.expr.count('instance=~"$instance"') == len(used(query.expr)), query.expr


def test_the_files_are_what_the_code_says(tmp_path: Path) -> None:
    for path in write(tmp_path):
        kept = (FOLDER / path.name).read_text()
        assert kept == path.read_text(), "write them anew with `python -m ops.grafana`"
        assert json.loads(kept)["schemaVersion"] == 39


def asked_for() -> set[str]:
    """Series that a panel or a rule asks for."""
    shown = {name for d in DASHBOARDS for panel in d.panels for query in panel.queries for name in used(query.expr)}
    return shown | {name for kind in ("record", "alert") for expr in rules(kind).values() for name in used(expr)}


def test_nothing_is_recorded_that_nobody_asks_for() -> None:
    assert set(rules("record")) - asked_for() == set()


def test_every_metric_but_the_plainest_is_on_a_dashboard_or_in_a_rule() -> None:
    shown = asked_for()
    bases = {name.removesuffix("_bucket").removesuffix("_count") for name in shown}
    unseen = {one.name for one in metrics.definitions()} - bases
    assert unseen == {"shapelode_build_info", "shapelode_connections_cut_total"}


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=NAMES)
def test_panels_do_not_overlap_and_have_a_source(dashboard: Dashboard) -> None:
    panels = build(dashboard)["panels"]
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len(panels) == len({panel["id"] for panel in panels})
    assert all(target["datasource"]["uid"] == "${source}" for panel in panels for target in panel["targets"])
