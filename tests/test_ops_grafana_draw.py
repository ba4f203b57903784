from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ops.errors import ConfigError
from ops.grafana import DASHBOARDS, Panel, Query
from ops.grafana.draw import Span, asking, draw, draw_all, nice, readable, series_of

PANEL = Panel(
    "Rate", "Images a second.", "ops", (Query('rate(a{instance=~"$instance"}[5m])', "{{instance}} {{kind}}"),)
)


def waves(expr: str) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
    points = [(60.0 * at, 2 + math.sin(at / 9)) for at in range(120)]
    return [({"instance": "a", "kind": "x"}, points), ({"instance": "b", "kind": "y"}, points[:1])]


def test_series_are_named_as_the_legend_says_and_hold_numbers_alone() -> None:
    asked: list[str] = []

    def ask(expr: str) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
        asked.append(expr)
        return [({"instance": "a", "kind": "x"}, [(0.0, math.nan), (1.0, 2.0), (2.0, math.inf)])]

    assert series_of(PANEL, ask) == [("a x", [(1.0, 2.0)])]
    assert asked == ['rate(a{instance=~".*"}[5m])']


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.name)
def test_what_there_is_shows_and_what_there_is_not_says_so(dashboard: object) -> None:
    full, empty = draw(dashboard, waves), draw(dashboard, lambda expr: [])  # type: ignore[arg-type]
    assert full.size == empty.size and full.size[0] > 1200
    assert np.asarray(full).std() > np.asarray(empty).std()


def test_every_dashboard_gets_a_file(tmp_path: Path) -> None:
    paths = draw_all(waves, tmp_path / "images")
    assert [path.stem for path in paths] == [f"dashboard-{dashboard.name}" for dashboard in DASHBOARDS]
    for path in paths:
        with Image.open(path, formats=["PNG"]) as picture:
            assert picture.size[1] > 400


@pytest.mark.parametrize(
    ("value", "top"), [(0, 1), (-3, 1), (0.07, 0.1), (1, 1), (1.2, 2), (2.4, 2.5), (41, 50), (99, 100)]
)
def test_axes_end_at_round_numbers(value: float, top: float) -> None:
    assert nice(value) == pytest.approx(top)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(0.25, "percentunit", "25 %"), (3 * 2**30, "bytes", "3 GiB"), (5e15, "bytes", "4.55e+03 TiB"), (1.5, "s", "1.5 s"),
     (12, "ops", "12/s"), (7, "none", "7")],
)  # fmt: skip
def test_values_are_short_and_have_their_unit(value: float, unit: str, text: str) -> None:
    assert readable(value, unit) == text


def test_a_prometheus_that_does_not_answer_is_one_line() -> None:
    with pytest.raises(ConfigError, match="cannot ask the Prometheus at"):
        asking("http://127.0.0.1:1", Span(0, 60, 1))("up")
