"""What a running daemon and its library take, and how fast they answer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from index.precision import Precision
from ops.bench import capacity as capacity_benchmark
from ops.bench import ingest as ingest_benchmark
from ops.bench import memory as memory_benchmark
from ops.bench import page as page_benchmark
from ops.bench import pages as pages_benchmark
from ops.bench import query as query_benchmark
from ops.bench import scale as scale_benchmark
from ops.bench.commands.options import DATA, Backbone, Json, app, show

_SHIPPED = ingest_benchmark.SHIPPED


@app.command(epilog="example: python -m ops.bench pages --shapes 100000 --pages 100")
def pages(
    shapes: Annotated[int, typer.Option(min=1, help="Shapes of the library that is made up.")] = 100_000,
    count: Annotated[int, typer.Option("--pages", min=1, help="Pages of each list.")] = 100,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Items a page.")] = 50,
    json: Json = None,
) -> None:
    """How long a page of a list takes over HTTP, beside a scan of all records in the same run."""
    show(lambda: pages_benchmark.run(shapes, count, limit, Console(stderr=True, soft_wrap=True).print), json)


@app.command(epilog="example: python -m ops.bench page --shapes 10000 --loads 5")
def page(
    shapes: Annotated[int, typer.Option(min=48, help="Shapes of the library that is made up.")] = 10_000,
    loads: Annotated[int, typer.Option(min=1, help="Loads of each view.")] = 5,
    json: Json = None,
) -> None:
    """How long the library page takes to load in headless Chromium, beside the time it may take."""
    show(lambda: page_benchmark.run(shapes, loads, Console(stderr=True, soft_wrap=True).print), json)


@app.command(epilog="example: python -m ops.bench screenshots --state STATE --output docs/images")
def screenshots(
    state: Annotated[Path, typer.Option(help="State directory with shapes.")],
    output: Annotated[Path, typer.Option(help="Folder to write to.")],
    shape: Annotated[int | None, typer.Option(help="The shape; the best if not given.")] = None,
) -> None:
    """Pictures of the library page: the wall, and the page of a shape."""
    for path in page_benchmark.photograph(state, output, shape):
        Console().print(f"{path}: {path.stat().st_size:,} bytes")


@app.command(epilog="example: python -m ops.bench query --images 100000 --seconds 20")
def query(
    images: Annotated[int, typer.Option(min=1, help="Images of the library that is made up.")] = 20_000,
    queries: Annotated[int, typer.Option(min=1, help="Queries by image.")] = 60,
    seconds: Annotated[float, typer.Option(min=0.1, help="Time of queries by descriptor.")] = 10.0,
    backbone: Backbone = "embedded",
    state: Annotated[Path | None, typer.Option(help="Ask this library by image instead.")] = None,
    json: Json = None,
) -> None:
    """Queries by image over HTTP beside the bare encoder, and by descriptor on one core while images are stored."""
    settings = query_benchmark.Settings(images, queries, seconds, backbone, state)
    show(lambda: query_benchmark.run(settings, Console(stderr=True, soft_wrap=True).print), json)


@app.command(epilog="example: python -m ops.bench ingest --shards 'crawl/*.tar' --turns 8 --json ingest.json")
def ingest(
    shards: Annotated[list[str] | None, typer.Option(help="Shards, or patterns of them.")] = None,
    turns: Annotated[int, typer.Option(min=1, help="Turns of each side.")] = 6,
    seconds: Annotated[float, typer.Option(min=1, help="Length of a turn.")] = 12.0,
    backbone: Backbone = "embedded",
    precision: Annotated[Precision, typer.Option(help="Arithmetic of the encoder.")] = "auto",
    batch: Annotated[int, typer.Option(min=1, help="Images a batch.")] = _SHIPPED.stream.batch_size,
    embedders: Annotated[int, typer.Option(min=1, help="Embedders of the daemon.")] = _SHIPPED.backbone.embedders,
    at_once: Annotated[
        int, typer.Option(min=1, help="Batches that each of them works on at once.")
    ] = _SHIPPED.backbone.batches_at_once,
    in_flight: Annotated[
        int, typer.Option(min=1, help="Batches of the daemon read or embedded at once, four an embedder or more.")
    ] = _SHIPPED.stream.in_flight,
    workers: Annotated[int, typer.Option(min=0, help="Workers of Ray Data, which share the cores; 0: without it.")] = 1,
    rival_precision: Annotated[
        Precision | None, typer.Option(help="Arithmetic of the encoder in Ray Data; the daemon's unless told.")
    ] = None,
    json: Json = None,
) -> None:
    """The daemon's stream beside the bare encoder and Ray Data, in turns; the latter needs pandas and pyarrow."""
    found = shards or [str(DATA / "shards" / "*.tar")]
    settings = ingest_benchmark.Settings(
        found, turns, seconds, backbone, precision, batch, embedders, at_once, in_flight, workers, rival_precision
    )
    show(lambda: ingest_benchmark.run(settings, Console(stderr=True, soft_wrap=True).print), json)


@app.command(epilog="example: python -m ops.bench memory --images 100000 --json memory.json")
def memory(
    images: Annotated[int, typer.Option(min=1, help="Length of the stream.")] = 100_000,
    batch: Annotated[int, typer.Option(min=1, help="Images a batch.")] = 32,
    flat: Annotated[bool, typer.Option("--flat", help="Keep the index exhaustive, to see what else grows.")] = False,
    json: Json = None,
) -> None:
    """Does memory stay flat over a long stream? Reader, sandbox and writer, with a stand-in encoder."""
    settings = memory_benchmark.Settings(images, batch=batch, flat=flat)
    show(lambda: memory_benchmark.run(settings, Console(stderr=True, soft_wrap=True).print), json)


@app.command(epilog="example: python -m ops.bench capacity --views 20 --json capacity.json")
def capacity(
    objects: Annotated[
        int, typer.Option(min=2, help="Objects of the crawl; beyond the default, kinds come again.")
    ] = len(capacity_benchmark.MAKERS),
    views: Annotated[int, typer.Option(min=12, help="Photos of each.")] = 20,
    seed: Annotated[int, typer.Option(help="Draws objects and photos.")] = 0,
    json: Json = None,
) -> None:
    """What `shapelode plan` forecasts from samples, beside what the crawl then takes."""
    settings = capacity_benchmark.Settings(objects, views, seed)
    show(lambda: capacity_benchmark.run(settings, Console(stderr=True, soft_wrap=True).print), json)


@app.command(
    epilog="examples: python -m ops.bench scale --vectors 100000; "
    "python -m ops.bench scale --vectors 1000000 --json figures.json --keep bench-scale"
)
def scale(
    vectors: Annotated[
        int, typer.Option(min=1000, help="Descriptors that are stored; a million take 2.5 GB of disk.")
    ] = (1_000_000),
    dim: Annotated[int, typer.Option(min=8, help="Numbers of a descriptor.")] = 384,
    seconds: Annotated[float, typer.Option(min=0.1, help="Time of queries while the writer goes on.")] = 20.0,
    river_s: Annotated[float, typer.Option(min=0.1, help="Time that river's DBSTREAM learns for.")] = 30.0,
    seed: Annotated[int, typer.Option(help="Of the descriptors.")] = 0,
    keep: Annotated[Path | None, typer.Option(help="Folder to keep the library in; a run goes on with it.")] = None,
    json: Json = None,
) -> None:
    """Inserts, restarts and queries of a large made-up library, beside river's DBSTREAM and a bare FAISS search."""
    settings = scale_benchmark.Settings(vectors, dim, seconds, river_s, seed)
    show(lambda: scale_benchmark.run(settings, keep, Console(stderr=True, soft_wrap=True).print), json)
