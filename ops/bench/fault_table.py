"""The table of faults in the docs: every benchmark that breaks things writes its own section of one page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

_HEAD = """# Faults tried

Every fault here was really made to happen, as often as the table says; what it cost was judged by the independent
checker (`ops/fsck`), never by the code under test. Each section was written by the command it names.
"""


@dataclass(frozen=True, slots=True)
class FaultRow:
    """One kind of fault.

    Attributes:
        fault: what was done.
        where: at which moment.
        fired: how often it really happened.
        losses: what was lost, stored twice or left out of step.
    """

    fault: str
    where: str
    fired: int
    losses: int


@dataclass(frozen=True, slots=True)
class FaultSection:
    """What one command tried.

    Attributes:
        title: heading of the section.
        command: what reproduces it.
        facts: settings and counts that the figures need to be understood, one sentence each.
        rows: kinds of faults.
    """

    title: str
    command: str
    facts: Sequence[str]
    rows: Sequence[FaultRow]

    @property
    def fired(self) -> int:
        """Faults that happened."""
        return sum(row.fired for row in self.rows)

    @property
    def losses(self) -> int:
        """Everything lost."""
        return sum(row.losses for row in self.rows)

    def table(self) -> Table:
        """The rows for a terminal."""
        table = Table(title=self.title, caption=" ".join(self.facts), caption_justify="left")
        for heading in ("fault", "where"):
            table.add_column(heading)
        for heading in ("fired", "losses"):
            table.add_column(heading, justify="right")
        for row in self.rows:
            table.add_row(row.fault, row.where, str(row.fired), str(row.losses))
        table.add_section()
        table.add_row("all", "", str(self.fired), str(self.losses))
        return table

    def markdown(self) -> str:
        """The section of the page."""
        lines = [f"## {self.title}", "", f"`{self.command}`", "", *[f"* {fact}" for fact in self.facts], ""]
        lines += ["| fault | where | times fired | losses |", "| --- | --- | ---: | ---: |"]
        lines += [f"| {row.fault} | {row.where} | {row.fired} | {row.losses} |" for row in self.rows]
        lines += [f"| **all** | | **{self.fired}** | **{self.losses}** |"]
        return "\n".join(lines) + "\n"


def write_section(page: Path, section: FaultSection) -> None:
    """Puts a section into the page, in the place of the one with its title; the others stay as they are."""
    text = page.read_text(encoding="utf-8") if page.exists() else _HEAD
    head, *sections = text.split("\n## ")
    kept = {part.split("\n", 1)[0]: f"## {part}".rstrip("\n") for part in sections}
    kept[section.title] = section.markdown().rstrip("\n")
    page.write_text("\n\n".join([head.rstrip("\n"), *kept.values()]) + "\n", encoding="utf-8")
