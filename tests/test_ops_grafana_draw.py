from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ops.errors import ConfigError
from ops.grafana import DASHBOARDS, Dashboard, Panel, Query
from ops.grafana.draw import Span, asking, draw, draw_all, legend, nice, readable, series_of

PANEL = Panel(
    "Rate", "Images a second.", "ops", (Query('rate(a{instance=~"$instance"}[5m])', "{{instance}} {{kind}}"),)
)

SPAN = Span(0.0, 60.0 * 119, 60.0)


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


def colours(picture: Image.Image) -> set[tuple[int, ...]]:
    """Colours of which a picture has many points."""
    found = picture.getcolors(1 << 20)
    assert found is not None
    return {colour for count, colour in found if count > 30}  # type: ignore[misc]


def test_no_line_is_dropped_and_all_names_are_there() -> None:
    names = [f"series {number}" for number in range(12)]
    points = [[(60.0 * at, 1.0 + number) for at in range(120)] for number in range(12)]

    def ask(expr: str) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
        return [({"instance": name, "kind": "x"}, line) for name, line in zip(names, points, strict=True)]

    one = draw(Dashboard("a", "a", (PANEL,)), lambda expr: ask(expr)[:1], SPAN)
    many = draw(Dashboard("a", "a", (PANEL,)), ask, SPAN)
    assert len(colours(many)) >= len(colours(one)) + 11
    rows = legend(names)
    assert len(rows) > 2 and [name for row in rows for _, name in row] == names
    assert one.size[1] == many.size[1] < draw(Dashboard("a", "a", (PANEL,)), lambda expr: 4 * ask(expr), SPAN).size[1]


def test_all_panels_have_the_time_axis_of_the_picture() -> None:
    late = [(60.0 * at, 1.0) for at in range(60, 100) if not 75 < at < 85]
    card = draw(Dashboard("a", "a", (PANEL,)), lambda expr: [({"instance": "a", "kind": "x"}, late)], SPAN)
    blue = np.abs(np.asarray(card, int) - (0x32, 0x74, 0xD9)).max(axis=2) < 12
    (columns,) = np.nonzero(blue[40:200].any(axis=0))  # above the legend
    left, wide = 12 + 62, 420 - 62 - 14
    assert columns.min() == pytest.approx(left + wide * 60 / 119, abs=3)
    assert columns.max() == pytest.approx(left + wide * 99 / 119, abs=3)
    assert np.diff(columns).max() == pytest.approx(wide * 10 / 119, abs=3), "where nothing is known there is no line"


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.name)
def test_what_there_is_shows_and_what_there_is_not_says_so(dashboard: object) -> None:
    full, empty = draw(dashboard, waves, SPAN), draw(dashboard, lambda expr: [], SPAN)  # type: ignore[arg-type]
    assert full.size == empty.size and full.size[0] > 1200
    assert np.asarray(full).std() > np.asarray(empty).std()


def test_every_dashboard_gets_a_file(tmp_path: Path) -> None:
    paths = draw_all(waves, SPAN, tmp_path / "images")
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
