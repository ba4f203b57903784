"""What commands print: JSON in the API's schema, or a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from index.summaries import Page
from ops.clock import wall_time

T = TypeVar("T")
Column = tuple[str, Callable[[T], object]]


def print_json(value: object) -> None:
    """A summary, or a page of them, as JSON."""
    typer.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def print_page(page: Page[T], columns: Sequence[Column[T]], *, as_json: bool, empty: str) -> None:
    """A page as JSON or as a table.

    Args:
        page: what to print.
        columns: heading and value of each column of the table; numbers are set to the right.
        as_json: print JSON instead.
        empty: what to say when there is nothing.
    """
    if as_json:
        print_json(page)
        return
    console = Console()
    if not page.items:
        console.print(f"[dim]{escape(empty)}[/dim]")
        return
    console.print(_table(page.items, columns))
    if page.next:
        console.print(f"[dim]more with --after {escape(page.next)}[/dim]")


def print_facts(title: str, facts: Sequence[tuple[str, object]]) -> None:
    """A title and lines of names and values."""
    table = Table.grid(padding=(0, 3))
    for name, value in facts:
        table.add_row(f"[dim]{escape(name)}[/dim]", escape(str(value)))
    console = Console()
    console.print(f"[bold]{escape(title)}[/bold]")
    console.print(table)


def age(at: float) -> str:
    """How long ago a Unix time is, roughly."""
    seconds = max(0.0, wall_time() - at)
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def data_size(count: int) -> str:
    """Bytes in a unit people read."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def _table(items: Sequence[T], columns: Sequence[Column[T]]) -> Table:
    rows = [[value(item) for _, value in columns] for item in items]
    table = Table(box=None, header_style="bold", pad_edge=False)
    for (heading, _), sample in zip(columns, rows[0], strict=True):
        justify: Literal["left", "right"] = "right" if isinstance(sample, int | float) else "left"
        table.add_column(heading, justify=justify, no_wrap=heading == "when")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    return table


def _cell(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else escape(str(value))
