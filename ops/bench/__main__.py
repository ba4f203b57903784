"""Command line of the benchmarks: ``python -m ops.bench NAME``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from json import dumps
from pathlib import Path
from typing import Annotated, Literal

import typer
from msgspec import to_builtins
from rich.console import Console

from index.backbones import Precision
from ops.bench import capacity as capacity_benchmark
from ops.bench import categories as categories_benchmark
from ops.bench import cluster as cluster_benchmark
from ops.bench import copies as copies_benchmark
from ops.bench import correspond as correspond_benchmark
from ops.bench import furniture as furniture_benchmark
from ops.bench import fuzz as fuzz_benchmark
from ops.bench import ingest as ingest_benchmark
from ops.bench import keypoints as keypoints_benchmark
from ops.bench import memory as memory_benchmark
from ops.bench import page as page_benchmark
from ops.bench import pages as pages_benchmark
from ops.bench import precision as precision_benchmark
from ops.bench import query as query_benchmark
from ops.bench import reconstruct as reconstruct_benchmark
from ops.bench import register as register_benchmark
from ops.bench import scale as scale_benchmark
from ops.bench import similar as similar_benchmark
from ops.bench import soak as soak_benchmark
from ops.bench.fault_table import write_section
from ops.bench.kills.command import run_kills
from ops.bench.pictures import draw_library
from ops.bench.report import Report
from ops.errors import ShapelodeError, StateError
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


@app.command(epilog="example: python -m ops.bench furniture --data DATA --state STATE --json figures.json")
def furniture(
    state: Annotated[Path, typer.Option(help="State directory of a finished run on these data.")],
    data: Data = DATA,
    json: Json = None,
) -> None:
    """Clusters, masks, poses and shapes of a finished library."""
    _show(lambda: furniture_benchmark.run(data, state), json)


@app.command(epilog="example: python -m ops.bench cluster --data ../shared/data/eth80 --keep descriptors --orders 3")
def cluster(
    keep: Annotated[Path, typer.Option(help="Folder to keep descriptors in, and take them from.")],
    data: Annotated[
        list[Path] | None, typer.Option(help="Folder with shards and truth.jsonl; may be given again.")
    ] = None,
    orders: Annotated[int, typer.Option(min=1, help="Orders of each stream, the daemon's among them.")] = 10,
    clusterer: Annotated[str, typer.Option(help="linkage or dbstream.")] = "linkage",
    backbone: Backbone = "embedded",
    json: Json = None,
) -> None:
    """The clusterer alone: streams of labelled images beside offline clusterings of the same descriptors."""
    settings = cluster_benchmark.Settings(keep, orders, clusterer, backbone)
    tell = Console(stderr=True, soft_wrap=True).print
    _show(lambda: cluster_benchmark.run(data or [DATA], settings, tell), json)


@app.command(epilog="example: python -m ops.bench reconstruct --shape chair-00 --seeds 3 --strangers 0.3")
def reconstruct(
    data: Data = DATA,
    shape: Shapes = None,
    views: Annotated[int, typer.Option(min=1, help="Images of each shape at most.")] = 100,
    effort: EffortChoice = "quick",
    backbone: Backbone = "embedded",
    device: Device = "cpu",
    seeds: Annotated[int, typer.Option(min=1, help="Reconstructions of each shape, with seeds 0, 1, ...")] = 1,
    field: Annotated[Literal["auto", "voxel", "tensorf", "mlp"], typer.Option(help="What is refined.")] = "auto",
    rival: Annotated[bool, typer.Option(help="Reconstruct by the 3DMiner recipe, too.")] = True,
    strangers: Annotated[
        float, typer.Option(min=0, max=1, help="Images of other shapes for each of its own, in further runs.")
    ] = 0.0,
    json: Json = None,
) -> None:
    """Reconstruction alone: each shape from its true members, with predicted masks and no clustering."""
    settings = reconstruct_benchmark.Settings(
        shape or (), views, effort, backbone, device, range(seeds), field, rival, strangers
    )
    tell = Console(stderr=True).print
    _show(lambda: reconstruct_benchmark.run(data, settings, tell), json)


@app.command(epilog="example: python -m ops.bench correspond --shape chair-00 --shape sofa-01 --keep bench-shapes")
def correspond(
    data: Data = DATA,
    shape: Shapes = None,
    views: Annotated[int, typer.Option(min=2, help="Images of each shape at most.")] = 100,
    effort: EffortChoice = "quick",
    backbone: Backbone = "embedded",
    targets: Annotated[int, typer.Option(min=1, help="Images to look in for each image.")] = 6,
    points: Annotated[int, typer.Option(min=1, help="Points tried in each pair of images.")] = 16,
    seed: Annotated[int, typer.Option(help="Of the reconstruction and the draw of points.")] = 0,
    keep: Keep = None,
    json: Json = None,
) -> None:
    """Points followed between images of one shape, beside nearest neighbours of the same features."""
    settings = correspond_benchmark.Settings(shape or (), views, effort, backbone, targets, points, seed, keep)
    tell = Console(stderr=True, soft_wrap=True).print
    _show(lambda: correspond_benchmark.run(data, settings, tell), json)


@app.command(epilog="example: python -m ops.bench keypoints --shape chair-00 --shape sofa-01 --keep bench-shapes")
def keypoints(
    data: Data = DATA,
    shape: Shapes = None,
    views: Annotated[int, typer.Option(min=2, help="Images of each shape at most.")] = 100,
    effort: EffortChoice = "quick",
    backbone: Backbone = "embedded",
    seed: Annotated[int, typer.Option(help="Of the reconstruction and of chance.")] = 0,
    keep: Keep = None,
    json: Json = None,
) -> None:
    """Whether keypoints are the same true point in all images, beside projections and nearest neighbours."""
    settings = correspond_benchmark.Settings(shape or (), views, effort, backbone, seed=seed, keep=keep)
    tell = Console(stderr=True, soft_wrap=True).print
    _show(lambda: keypoints_benchmark.run(data, settings, tell), json)


@app.command("register", epilog="example: python -m ops.bench register --data ETH80 --category car --masks true")
def register_views(
    data: Viewpoints,
    category: Categories = None,
    views: Annotated[int, typer.Option(min=10, help="Photos drawn of each category.")] = 100,
    masks: Masks = "predicted",
    effort: EffortChoice = "quick",
    backbone: Backbone = "embedded",
    device: Device = "cpu",
    seed: Annotated[int, typer.Option(help="Of the draw and the registration.")] = 0,
    json: Json = None,
) -> None:
    """Views of instances that a shape was not built from, the shape built with true cameras; and the cost of a view."""
    settings = register_benchmark.Settings(category or (), views, masks, effort, backbone, device, seed)
    _show(lambda: register_benchmark.run(data, settings, Console(stderr=True, soft_wrap=True).print), json)


@app.command(epilog="example: python -m ops.bench similar --shape chair-00 --shape sofa-01 --keep bench-shapes")
def similar(
    data: Data = DATA,
    shape: Shapes = None,
    views: Annotated[int, typer.Option(min=2, help="Images of each shape at most.")] = 100,
    effort: EffortChoice = "quick",
    backbone: Backbone = "embedded",
    seed: Annotated[int, typer.Option(help="Of the reconstruction.")] = 0,
    keep: Keep = None,
    json: Json = None,
) -> None:
    """Whether the form of a mined shape finds the object, or its kind, among the true meshes of all."""
    settings = correspond_benchmark.Settings(shape or (), views, effort, backbone, seed=seed, keep=keep)
    tell = Console(stderr=True, soft_wrap=True).print
    _show(lambda: similar_benchmark.run(data, settings, tell), json)


@app.command(epilog="example: python -m ops.bench categories --data ETH80 --category car --masks true --seeds 3")
def categories(
    data: Viewpoints,
    category: Categories = None,
    views: Annotated[int, typer.Option(min=1, help="Photos drawn of each category.")] = 100,
    masks: Masks = "predicted",
    subsets: Annotated[int, typer.Option(min=1, help="Draws of photos.")] = 1,
    seeds: Annotated[int, typer.Option(min=1, help="Reconstructions of each draw, with seeds 0, 1, ...")] = 1,
    effort: EffortChoice = "quick",
    backbone: Backbone = "embedded",
    device: Device = "cpu",
    rival: Annotated[bool, typer.Option(help="Reconstruct by the 3DMiner recipe, too.")] = True,
    json: Json = None,
) -> None:
    """Cold starts from photos of many instances: cameras against the truth, beside 3DMiner's recipe."""
    settings = categories_benchmark.Settings(
        category or (), views, masks, subsets, seeds, effort, backbone, device, rival
    )
    _show(lambda: categories_benchmark.run(data, settings, Console(stderr=True, soft_wrap=True).print), json)


@app.command(epilog="example: python -m ops.bench copies --data DATA --data OTHER --images 1000000")
def copies(
    data: Annotated[list[Path] | None, typer.Option(help="Folders with shards.")] = None,
    photos: Annotated[int, typer.Option(min=1, help="Photos of each folder that are altered.")] = 60,
    images: Annotated[int, typer.Option(min=1, help="Signatures in the library that lookups are timed in.")] = 200_000,
    backbone: Backbone = "embedded",
    seed: Annotated[int, typer.Option(help="Of the photos and signatures.")] = 0,
    json: Json = None,
) -> None:
    """Which altered photos are known as copies, beside hashes alone and descriptors, and what a lookup costs."""
    settings = copies_benchmark.Settings(photos, images, backbone, seed)
    _show(lambda: copies_benchmark.run(data or (DATA,), settings, Console(stderr=True, soft_wrap=True).print), json)


@app.command(epilog="example: python -m ops.bench pictures --state STATE --output docs/images/mined.png")
def pictures(
    state: Annotated[Path, typer.Option(help="State directory with shapes.")],
    output: Annotated[Path, typer.Option(help="PNG to write.")],
    shapes: Annotated[int, typer.Option(min=1, help="Shapes to draw, best first.")] = 8,
) -> None:
    """A picture of a library: photos, and the shapes mined from them."""
    drawn = draw_library(state, output, shapes)
    Console().print(f"{output}: {drawn} shapes")


@app.command(epilog="example: python -m ops.bench pages --shapes 100000 --pages 100")
def pages(
    shapes: Annotated[int, typer.Option(min=1, help="Shapes of the library that is made up.")] = 100_000,
    count: Annotated[int, typer.Option("--pages", min=1, help="Pages of each list.")] = 100,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Items a page.")] = 50,
    json: Json = None,
) -> None:
    """How long a page of a list takes over HTTP, beside a scan of all records in the same run."""
    _show(lambda: pages_benchmark.run(shapes, count, limit, Console(stderr=True, soft_wrap=True).print), json)


@app.command(epilog="example: python -m ops.bench page --shapes 10000 --loads 5")
def page(
    shapes: Annotated[int, typer.Option(min=48, help="Shapes of the library that is made up.")] = 10_000,
    loads: Annotated[int, typer.Option(min=1, help="Loads of each view.")] = 5,
    json: Json = None,
) -> None:
    """How long the library page takes to load in headless Chromium, beside the time it may take."""
    _show(lambda: page_benchmark.run(shapes, loads, Console(stderr=True, soft_wrap=True).print), json)


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
    _show(lambda: query_benchmark.run(settings, Console(stderr=True, soft_wrap=True).print), json)


@app.command(epilog="example: python -m ops.bench ingest --shards 'crawl/*.tar' --turns 8 --json ingest.json")
def ingest(
    shards: Annotated[list[str] | None, typer.Option(help="Shards, or patterns of them.")] = None,
    turns: Annotated[int, typer.Option(min=1, help="Turns of each side.")] = 6,
    seconds: Annotated[float, typer.Option(min=1, help="Length of a turn.")] = 12.0,
    backbone: Backbone = "embedded",
    precision: Annotated[Precision, typer.Option(help="Arithmetic of the encoder.")] = "auto",
    batch: Annotated[int, typer.Option(min=1, help="Images a batch.")] = 32,
    embedders: Annotated[int, typer.Option(min=1, help="Embedders of the daemon.")] = 1,
    workers: Annotated[int, typer.Option(min=0, help="Workers of Ray Data, which share the cores; 0: without it.")] = 1,
    json: Json = None,
) -> None:
    """The daemon's stream beside the bare encoder and Ray Data, in turns; the latter needs pandas and pyarrow."""
    found = shards or [str(DATA / "shards" / "*.tar")]
    settings = ingest_benchmark.Settings(found, turns, seconds, backbone, precision, batch, embedders, workers)
    _show(lambda: ingest_benchmark.run(settings, Console(stderr=True, soft_wrap=True).print), json)


@app.command(epilog="example: python -m ops.bench memory --images 100000 --json memory.json")
def memory(
    images: Annotated[int, typer.Option(min=1, help="Length of the stream.")] = 100_000,
    batch: Annotated[int, typer.Option(min=1, help="Images a batch.")] = 32,
    json: Json = None,
) -> None:
    """Does memory stay flat over a long stream? Reader, sandbox and writer, with a stand-in encoder."""
    settings = memory_benchmark.Settings(images, batch=batch)
    _show(lambda: memory_benchmark.run(settings, Console(stderr=True, soft_wrap=True).print), json)


@app.command(epilog="example: python -m ops.bench capacity --sample 3 --crawl 8 --json capacity.json")
def capacity(
    sample: Annotated[int, typer.Option(min=1, help="Shards that are measured.")] = 3,
    crawl: Annotated[int, typer.Option(min=1, help="Shards that are forecast.")] = 8,
    shapes: Annotated[int, typer.Option(min=1, help="Objects a shard, seen in no other.")] = 3,
    views: Annotated[int, typer.Option(min=12, help="Photos of each.")] = 20,
    seed: Annotated[int, typer.Option(help="Draws objects and photos.")] = 0,
    json: Json = None,
) -> None:
    """What `shapelode plan` forecasts from a sample, beside what the crawl then takes."""
    settings = capacity_benchmark.Settings(sample, crawl, shapes, views, seed)
    _show(lambda: capacity_benchmark.run(settings, Console(stderr=True, soft_wrap=True).print), json)


@app.command(
    epilog="examples: python -m ops.bench scale --vectors 100000; "
    "python -m ops.bench scale --vectors 1000000 --json figures.json --keep bench-scale"
)
def scale(
    vectors: Annotated[
        int, typer.Option(min=1000, help="Descriptors that are stored; a million take 3 GB of disk.")
    ] = (1_000_000),
    dim: Annotated[int, typer.Option(min=8, help="Numbers of a descriptor.")] = 384,
    seconds: Annotated[float, typer.Option(min=0.1, help="Time of queries while the writer goes on.")] = 20.0,
    river_s: Annotated[float, typer.Option(min=0.1, help="Time that river's DBSTREAM learns for.")] = 30.0,
    seed: Annotated[int, typer.Option(help="Of the descriptors.")] = 0,
    keep: Annotated[Path | None, typer.Option(help="Empty folder to keep the library in.")] = None,
    json: Json = None,
) -> None:
    """Inserts, restarts and queries of a large made-up library, beside river's DBSTREAM and a bare FAISS search."""
    settings = scale_benchmark.Settings(vectors, dim, seconds, river_s, seed)
    _show(lambda: scale_benchmark.run(settings, keep, Console(stderr=True, soft_wrap=True).print), json)


@app.command(epilog="example: python -m ops.bench precision --data DATA --images 600")
def precision(
    data: Data = DATA,
    images: Annotated[int, typer.Option(min=16, help="Images at most.")] = 100_000,
    json: Json = None,
) -> None:
    """What bfloat16 and 8-bit integers cost and save: processor time, and the clustering that comes of it."""
    _show(lambda: precision_benchmark.run(data, images, Console(stderr=True, soft_wrap=True).print), json)


@app.command(epilog="example: python -m ops.bench soak --minutes 60 --seed 1 --write docs/faults.md")
def soak(
    minutes: Annotated[
        float, typer.Option(min=0.5, help="Length; a last run to the end of the input comes on top.")
    ] = 60,
    seed: Annotated[int, typer.Option(help="Draws photos and faults.")] = 0,
    fault_s: Annotated[float, typer.Option(min=1, help="Seconds between two faults.")] = 25,
    shard_s: Annotated[float, typer.Option(min=1, help="Seconds between two shards.")] = 30,
    kills: Annotated[bool, typer.Option(help="Kill processes, too; without, each lives long enough to leak.")] = True,
    keep: Annotated[Path | None, typer.Option(help="Empty folder to keep state, shards and log in.")] = None,
    write: Annotated[Path | None, typer.Option(help="Page of the docs whose section is written anew.")] = None,
    json: Json = None,
) -> None:
    """Random faults on the running daemon: is anything lost, do memory, file handles and threads stay flat?"""
    settings = soak_benchmark.Settings(minutes, seed, fault_s=fault_s, shard_s=shard_s, kills=kills)
    tell = Console(stderr=True, soft_wrap=True).print
    tell(f"seed {seed}")
    found = soak_benchmark.run(settings, keep, tell)
    _show(found.report, json)
    if write is not None:
        flags = f"--minutes {minutes:g} --seed {seed} --fault-s {fault_s:g} --shard-s {shard_s:g}"
        write_section(write, found.section(f"python -m ops.bench soak {flags}{'' if kills else ' --no-kills'}"))
    if found.losses:
        raise StateError(f"seed {seed}: {len(found.losses)} losses: {'; '.join(found.losses[:5])}")


@app.command(epilog="example: python -m ops.bench kills --kills 240 --daemon-kills 24 --write docs/faults.md")
def kills(
    work: Annotated[Path, typer.Option(help="Folder for streams, states and progress; resumes what is there.")] = WORK,
    kills: Annotated[int, typer.Option(min=0, help="Kills of the writer, which is one process without Ray.")] = 240,
    daemon_kills: Annotated[int, typer.Option(min=0, help="Kills of the whole daemon; about a minute each.")] = 24,
    seed: Annotated[int, typer.Option(help="Draws where and when.")] = 0,
    write: Annotated[Path | None, typer.Option(help="Page of the docs whose sections are written anew.")] = None,
    json: Json = None,
) -> None:
    """Random kills over one stream, judged by the independent checker; exits with 1 if anything was lost."""
    command = f"python -m ops.bench kills --kills {kills} --daemon-kills {daemon_kills} --seed {seed}"
    sections = run_kills(work, (kills, daemon_kills), seed, command, Console(stderr=True).print)
    for section in sections:
        Console().print(section.table())
        if write is not None:
            write_section(write, section)
    if json is not None:
        json.write_text(dumps([asdict(section) for section in sections], indent=2) + "\n", encoding="utf-8")
    if any(section.losses for section in sections):
        raise typer.Exit(1)


@app.command(epilog="example: python -m ops.bench fuzz --cases 12000 --seed 0 --write docs/faults.md")
def fuzz(
    cases: Annotated[int, typer.Option(min=1, help="Mutated files to read.")] = 12_000,
    seed: Annotated[int, typer.Option(help="Decides every file.")] = 0,
    first: Annotated[int, typer.Option(min=0, help="Number of the first, to run one again.")] = 0,
    write: Annotated[Path | None, typer.Option(help="Page of the docs whose section is written anew.")] = None,
    json: Json = None,
) -> None:
    """Mutated tars and images through the code that reads them; exits with 1 if one crashes, hangs or loses."""
    settings = fuzz_benchmark.Settings(cases, seed, first)
    section, losses = fuzz_benchmark.run(settings, Console(stderr=True, soft_wrap=True).print)
    Console().print(section.table())
    if write is not None:
        write_section(write, section)
    if json is not None:
        found = {**asdict(section), "lost": [to_builtins(case) for case in losses]}
        json.write_text(dumps(found, indent=2) + "\n", encoding="utf-8")
    if losses:
        raise typer.Exit(1)


def _show(benchmark: Callable[[], Report], json: Path | None) -> None:
    report = benchmark()
    Console().print(report.table())
    if json is not None:
        report.write_json(json)


def main() -> int:
    """Run one benchmark; errors are one line and the error's exit status."""
    try:
        app()
    except ShapelodeError as error:
        Console(stderr=True, soft_wrap=True).print(f"error: {error}", markup=False)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
