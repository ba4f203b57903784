"""What the commands share: the application, their common options, and how a report is shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from index.heap import keep_freed_memory
from ops.bench.report import Report
from recon.config import Effort

DATA = Path("../shared/data/furniture")
WORK = Path("bench-kills")

app = typer.Typer(
    help="Measure Shapelode against truth, each figure beside its baselines of the same run.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Data = Annotated[Path, typer.Option(help="Folder with shards, truth.jsonl, masks.tar and meshes.")]
Json = Annotated[Path | None, typer.Option("--json", help="Also write the figures to this file.")]
Backbone = Annotated[str, typer.Option(help="embedded, dinov2 or ARCHITECTURE:FILE.")]
EffortChoice = Annotated[Effort, typer.Option(help="Preset of the reconstruction.")]
Device = Annotated[str, typer.Option(help="Torch device.")]
Shapes = Annotated[list[str] | None, typer.Option(help="A shape's name; all shapes if not given.")]
Keep = Annotated[Path | None, typer.Option(help="Folder to keep reconstructions in, and take them from.")]
Viewpoints = Annotated[Path, typer.Option(help="Folder with shards, truth.jsonl that tells viewpoints, and masks.tar.")]
Categories = Annotated[list[str] | None, typer.Option(help="A category; all if not given.")]
Masks = Annotated[Literal["true", "predicted"], typer.Option(help="Whose masks.")]


@app.callback()
def _benchmarks() -> None:
    """Measure Shapelode against truth, each figure beside its baselines of the same run."""


def show(benchmark: Callable[[], Report], json: Path | None) -> None:
    """Prints the table of a benchmark, and writes its figures."""
    report = benchmark()
    Console().print(report.table())
    if json is not None:
        report.write_json(json)


def show_shapes(benchmark: Callable[[], Report], json: Path | None) -> None:
    """The same of one that reconstructs: its process keeps freed memory, as a reconstructor's does."""
    keep_freed_memory()
    show(benchmark, json)
