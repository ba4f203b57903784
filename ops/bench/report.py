"""Results of a benchmark: measures beside baselines of the same run, as a table and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from rich.table import Table

Better = Literal["higher", "lower", "context"]


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure and what others reach in the same run.

    Attributes:
        name: what is measured, with its unit.
        value: ours.
        better: which direction is good; ``context`` for figures that are neither.
        baselines: the figures of others by name.
    """

    name: str
    value: float
    better: Better = "higher"
    baselines: dict[str, float] = field(default_factory=dict)

    def ratio(self, baseline: str) -> float | None:
        """Ours over the baseline's; None where that is 0."""
        other = self.baselines[baseline]
        return self.value / other if other else None


@dataclass(frozen=True, slots=True)
class Report:
    """All figures of one run.

    Attributes:
        title: the benchmark and what it ran on.
        measures: in the order they are shown.
        facts: settings and counts that the figures need to be understood.
    """

    title: str
    measures: list[Measure]
    facts: dict[str, str | int | float]

    def table(self) -> Table:
        """One line a baseline: measure, ours, the baseline's and ours over the baseline's."""
        caption = "; ".join(f"{name} {_text(value)}" for name, value in self.facts.items())
        table = Table(title=self.title, caption=caption, caption_justify="left")
        for heading, justify in (("measure", "left"), ("Shapelode", "right"), ("baseline", "left")):
            table.add_column(heading, justify=justify)  # type: ignore[arg-type]
        table.add_column("value", justify="right")
        table.add_column("ratio", justify="right")
        for measure in self.measures:
            for row in _rows(measure):
                table.add_row(*row)
            table.add_section()
        return table

    def write_json(self, path: str | Path) -> None:
        """Write the figures with their ratios."""
        measures = [
            {**asdict(measure), "ratios": {name: measure.ratio(name) for name in measure.baselines}}
            for measure in self.measures
        ]
        content = {"title": self.title, "facts": self.facts, "measures": measures}
        Path(path).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _rows(measure: Measure) -> Sequence[tuple[str, str, str, str, str]]:
    arrow = {"higher": " ↑", "lower": " ↓", "context": ""}[measure.better]
    heads = [(measure.name + arrow, _text(measure.value))]
    if not measure.baselines:
        return [(*heads[0], "", "", "")]
    heads += [("", "")] * (len(measure.baselines) - 1)
    rows = []
    for head, (name, value) in zip(heads, measure.baselines.items(), strict=True):
        ratio = measure.ratio(name)
        rows.append((*head, name, _text(value), "" if ratio is None else f"{ratio:.2f}"))
    return rows


def _text(value: str | int | float) -> str:
    if isinstance(value, float):
        return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"
    return str(value)
