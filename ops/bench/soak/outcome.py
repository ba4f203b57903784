"""What a soak found, as figures for a terminal and as a section of the docs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ops.bench.fault_table import FaultRow, FaultSection
from ops.bench.report import Measure, Report
from ops.bench.soak.samples import Slope

TITLE = "Soak: random faults on the running daemon"
CALM_TITLE = "Soak: random faults that end no process"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A soak that has ended.

    Attributes:
        losses: what was lost or is wrong, one a line; none if all is well.
        fired: how often each kind of fault came.
        slopes: kind of process, unit and slope.
        facts: settings and counts.
        title: of the section.
    """

    losses: list[str]
    fired: Counter[str]
    slopes: list[tuple[str, str, Slope]]
    facts: dict[str, str | int | float]
    title: str = TITLE

    def report(self) -> Report:
        """The figures."""
        measures = [Measure("losses found by the checker", len(self.losses), "lower")]
        for kind, unit, slope in self.slopes:
            name = f"{kind}: {unit} an hour (± {slope.error:.1f}, at most {slope.highest:.0f}"
            measures.append(Measure(f"{name}, seen {slope.seconds / 60:.0f} min)", slope.per_hour, "lower"))
        return Report(self.title, measures, {**self.facts, **self.fired})

    def section(self, command: str) -> FaultSection:
        """The section of the docs; faults come all at once, so a loss is of all of them together."""
        rows = [FaultRow(kind, "the running daemon", count, 0) for kind, count in sorted(self.fired.items())]
        rows.append(FaultRow("all of these", "in any order, on top of one another", 0, len(self.losses)))
        said = "; ".join(f"{name} {value}" for name, value in self.facts.items())
        slopes = [
            f"{kind}: {slope.per_hour:+.1f} ± {slope.error:.1f} {unit} an hour, at most {slope.highest:.0f}, "
            f"seen for {slope.seconds / 60:.0f} min."
            for kind, unit, slope in self.slopes
        ]
        return FaultSection(self.title, command, [f"{said}.", *slopes], rows)
