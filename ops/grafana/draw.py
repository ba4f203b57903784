"""Draws a dashboard's panels from what a Prometheus holds: what Grafana would show, for the docs, without Grafana."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

from PIL import Image, ImageDraw, ImageFont

from ops.errors import ConfigError
from ops.grafana.panels import DASHBOARDS, Dashboard, Panel

Series = tuple[str, list[tuple[float, float]]]
"""A name and its points: Unix time and value."""
Legend = list[list[tuple[float, str]]]
"""Rows of names, each with the place where it begins."""
Ask = Callable[[str], list[tuple[dict[str, str], list[tuple[float, float]]]]]
"""Answers a query with labels and points of each series."""

_COLUMNS, _WIDTH, _HEIGHT, _GAP = 3, 420, 250, 12
_LEFT, _TOP, _RIGHT = 62, 42, 14
_LEGEND, _ROW = 33, 15  # below the plot and above the legend's rows, and a row of it
_LEAST_PLOT = 90  # what legends leave of a panel: the picture grows rather
_PAPER, _CARD, _GRID, _INK, _FAINT = "#f4f5f7", "#ffffff", "#e3e6ea", "#24292f", "#68717c"
_COLOURS = (
    "#3274d9", "#e0752d", "#56a64b", "#a352cc", "#c4162a", "#00a3a3", "#8f6d31", "#e05aa0",
    "#1f3d7a", "#b8a100", "#7a1f3d", "#66b5ff", "#24523b", "#ff9f80", "#6b6b6b", "#b39ddb",
)  # fmt: skip
_TICKS, _TIMES = 4, 5
_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when, in Unix time, and how many seconds between two points."""

    start: float
    end: float
    step: float


def asking(server: str, span: Span) -> Ask:
    """What asks a Prometheus for ranges.

    Args:
        server: its URL.
        span: which range.
    """

    def ask(expr: str) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
        query = urlencode({"query": expr, "start": span.start, "end": span.end, "step": span.step})
        try:
            with urlopen(f"{server.rstrip('/')}/api/v1/query_range?{query}", timeout=_TIMEOUT_S) as answer:
                found = json.load(answer)["data"]["result"]
        except (OSError, ValueError, KeyError) as error:
            raise ConfigError(f"cannot ask the Prometheus at {server}: {error}") from error
        return [(one["metric"], [(float(at), float(value)) for at, value in one["values"]]) for one in found]

    return ask


def draw_all(ask: Ask, span: Span, folder: Path) -> list[Path]:
    """Draws every dashboard of a span of time into a folder; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for dashboard in DASHBOARDS:
        path = folder / f"dashboard-{dashboard.name}.png"
        draw(dashboard, ask, span).save(path, optimize=True)
        paths.append(path)
    return paths


def draw(dashboard: Dashboard, ask: Ask, span: Span) -> Image.Image:
    """One picture of all panels of a dashboard, whose time axes are one."""
    found = [series_of(panel, ask) for panel in dashboard.panels]
    legends = [legend([name for name, _ in series]) for series in found]
    height = max(_HEIGHT, _TOP + _LEAST_PLOT + _LEGEND + _ROW * max(len(rows) for rows in legends))
    rows = math.ceil(len(dashboard.panels) / _COLUMNS)
    picture = Image.new("RGB", (_COLUMNS * (_WIDTH + _GAP) + _GAP, rows * (height + _GAP) + _GAP), _PAPER)
    for number, (panel, series, names) in enumerate(zip(dashboard.panels, found, legends, strict=True)):
        row, column = divmod(number, _COLUMNS)
        place = (_GAP + column * (_WIDTH + _GAP), _GAP + row * (height + _GAP))
        picture.paste(_panel(panel, series, names, span, height), place)
    return picture.quantize(256).convert("RGB")


def series_of(panel: Panel, ask: Ask) -> list[Series]:
    """What a panel shows, named as Grafana would; points that are no numbers, and what has no others, are left out."""
    found: list[Series] = []
    for query in panel.queries:
        for labels, points in ask(query.expr.replace("$instance", ".*")):
            name = query.legend
            for label, value in labels.items():
                name = name.replace(f"{{{{{label}}}}}", value)
            found.append((name, [(at, value) for at, value in points if math.isfinite(value)]))
    return [one for one in found if one[1]]


def _panel(panel: Panel, series: Sequence[Series], names: Legend, span: Span, height: int) -> Image.Image:
    card = Image.new("RGB", (_WIDTH, height), _CARD)
    pen = ImageDraw.Draw(card)
    pen.text((14, 10), panel.title, _INK, _font(15))
    if not series:
        pen.text((_WIDTH / 2, height / 2), "no data", _FAINT, _font(15), anchor="mm")
    elif panel.kind == "stat":
        text = readable(series[0][1][-1][1], panel.unit)
        pen.text((_WIDTH / 2, height / 2 + 6), text, _COLOURS[0], _font(54), anchor="mm")
    else:
        bottom = height - _LEGEND - _ROW * len(names)
        _plot(pen, panel.unit, series, span, bottom)
        _legend(pen, names, bottom + _LEGEND)
    return card


def _plot(pen: ImageDraw.ImageDraw, unit: str, series: Sequence[Series], span: Span, bottom: int) -> None:
    top = _axis(max(value for _, points in series for _, value in points), unit)
    wide, high, long = _WIDTH - _LEFT - _RIGHT, bottom - _TOP, span.end - span.start
    for tick in range(_TICKS + 1):
        y = bottom - high * tick / _TICKS
        pen.line([(_LEFT, y), (_LEFT + wide, y)], _GRID)
        pen.text((_LEFT - 8, y), readable(top * tick / _TICKS, unit), _FAINT, _font(11), anchor="rm")
    step = nice(long / 60 / _TIMES)
    for tick in range(math.floor(long / 60 / step) + 1):
        x = _LEFT + wide * 60 * step * tick / long
        pen.text((x, bottom + 6), f"{step * tick:g}" if tick else "0 min", _FAINT, _font(11), anchor="mt")
    for number, (_, points) in enumerate(series):
        for run in _runs(points, span.step):
            line = [(_LEFT + wide * (at - span.start) / long, bottom - high * value / top) for at, value in run]
            pen.line(line if len(line) > 1 else line * 2, _COLOURS[number % len(_COLOURS)], 2)


def _runs(points: Sequence[tuple[float, float]], step: float) -> list[list[tuple[float, float]]]:
    """Points in parts without a gap: between them there was nothing, and no line says otherwise."""
    runs: list[list[tuple[float, float]]] = []
    for point in points:
        if not runs or point[0] - runs[-1][-1][0] > 1.5 * step:
            runs.append([])
        runs[-1].append(point)
    return runs


def _legend(pen: ImageDraw.ImageDraw, rows: Legend, top: int) -> None:
    number = 0
    for row, entries in enumerate(rows):
        y = top + _ROW * row
        for x, name in entries:
            pen.rectangle((x, y - 2, x + 8, y + 2), _COLOURS[number % len(_COLOURS)])
            pen.text((x + 12, y), name, _INK, _font(11), anchor="lm")
            number += 1


def legend(names: Sequence[str]) -> Legend:
    """Places for names; one that no longer fits begins the next row."""
    rows: Legend = []
    x = math.inf
    for name in names:
        width = _font(11).getlength(name) + 12
        if x + width > _WIDTH - _RIGHT:
            rows.append([])
            x = float(_LEFT)
        rows[-1].append((x, name))
        x += width + 12
    return rows


def _axis(value: float, unit: str) -> float:
    scale = 1024.0 ** int(math.log(value, 1024)) if unit == "bytes" and value >= 1 else 1.0
    return nice(value / scale) * scale


def nice(value: float) -> float:
    """The least of 1, 2, 2.5 and 5 times a power of ten that is no less than a value; 1 for nothing."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(factor * power for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if factor * power >= value * (1 - 1e-9))


def readable(value: float, unit: str) -> str:
    """A value in its unit, short."""
    if unit == "percentunit":
        return f"{100 * value:.3g} %"
    if unit == "bytes":
        for suffix in ("B", "KiB", "MiB", "GiB", "TiB"):
            if value < 1024 or suffix == "TiB":
                return f"{value:.3g} {suffix}"
            value /= 1024
    return f"{value:.3g}" + {"s": " s", "ops": "/s"}.get(unit, "")


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
