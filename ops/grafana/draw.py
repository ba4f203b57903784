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
Ask = Callable[[str], list[tuple[dict[str, str], list[tuple[float, float]]]]]
"""Answers a query with labels and points of each series."""

_COLUMNS, _WIDTH, _HEIGHT, _GAP = 3, 420, 230, 12
_LEFT, _TOP, _RIGHT, _BOTTOM = 62, 34, 14, 44
_PAPER, _CARD, _GRID, _INK, _FAINT = "#f4f5f7", "#ffffff", "#e3e6ea", "#24292f", "#68717c"
_COLOURS = ("#3274d9", "#e0752d", "#56a64b", "#a352cc", "#c4162a", "#00a3a3", "#8f6d31")
_TICKS = 4
_MOST_LINES = 7
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


def draw_all(ask: Ask, folder: Path) -> list[Path]:
    """Draws every dashboard into a folder; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for dashboard in DASHBOARDS:
        path = folder / f"dashboard-{dashboard.name}.png"
        draw(dashboard, ask).save(path, optimize=True)
        paths.append(path)
    return paths


def draw(dashboard: Dashboard, ask: Ask) -> Image.Image:
    """One picture of all panels of a dashboard."""
    rows = math.ceil(len(dashboard.panels) / _COLUMNS)
    size = (_COLUMNS * (_WIDTH + _GAP) + _GAP, rows * (_HEIGHT + _GAP) + _GAP)
    picture = Image.new("RGB", size, _PAPER)
    for number, panel in enumerate(dashboard.panels):
        row, column = divmod(number, _COLUMNS)
        place = (_GAP + column * (_WIDTH + _GAP), _GAP + row * (_HEIGHT + _GAP))
        picture.paste(_panel(panel, series_of(panel, ask)), place)
    return picture.quantize(64).convert("RGB")


def series_of(panel: Panel, ask: Ask) -> list[Series]:
    """What a panel shows, named as Grafana would; points that are no numbers are left out."""
    found: list[Series] = []
    for query in panel.queries:
        for labels, points in ask(query.expr.replace("$instance", ".*")):
            name = query.legend
            for label, value in labels.items():
                name = name.replace(f"{{{{{label}}}}}", value)
            found.append((name, [(at, value) for at, value in points if math.isfinite(value)]))
    return found


def _panel(panel: Panel, series: Sequence[Series]) -> Image.Image:
    card = Image.new("RGB", (_WIDTH, _HEIGHT), _CARD)
    pen = ImageDraw.Draw(card)
    pen.text((14, 10), panel.title, _INK, _font(15))
    shown = [one for one in series if one[1]]
    if panel.kind == "stat":
        text = readable(shown[0][1][-1][1], panel.unit) if shown else "no data"
        pen.text((_WIDTH / 2, _HEIGHT / 2 + 6), text, _COLOURS[0], _font(54), anchor="mm")
    elif shown:
        _plot(pen, panel.unit, shown[:_MOST_LINES])
    else:
        pen.text((_WIDTH / 2, _HEIGHT / 2), "no data", _FAINT, _font(15), anchor="mm")
    return card


def _plot(pen: ImageDraw.ImageDraw, unit: str, series: Sequence[Series]) -> None:
    times = [at for _, points in series for at, _ in points]
    first, last = min(times), max(max(times), min(times) + 1.0)
    top = _axis(max(value for _, points in series for _, value in points), unit)
    wide, high = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    for tick in range(_TICKS + 1):
        y = _TOP + high * (1 - tick / _TICKS)
        pen.line([(_LEFT, y), (_LEFT + wide, y)], _GRID)
        pen.text((_LEFT - 8, y), readable(top * tick / _TICKS, unit), _FAINT, _font(11), anchor="rm")
    for minutes in (0, round((last - first) / 60)):
        x = _LEFT + (wide if minutes else 0)
        pen.text((x, _TOP + high + 5), f"{minutes} min", _FAINT, _font(11), anchor="rt" if minutes else "lt")
    for (_, points), colour in zip(series, _COLOURS, strict=False):
        line = [(_LEFT + wide * (at - first) / (last - first), _TOP + high * (1 - value / top)) for at, value in points]
        pen.line(line if len(line) > 1 else line * 2, colour, 2)
    _legend(pen, [name for name, _ in series])


def _legend(pen: ImageDraw.ImageDraw, names: Sequence[str]) -> None:
    x, font = float(_LEFT), _font(11)
    for name, colour in zip(names, _COLOURS, strict=False):
        width = pen.textlength(name, font)
        if x + width + 24 > _WIDTH:
            return
        pen.rectangle((x, _HEIGHT - 17, x + 8, _HEIGHT - 13), colour)
        pen.text((x + 12, _HEIGHT - 15), name, _INK, font, anchor="lm")
        x += width + 24


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
