"""Cameras and shapes against the truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from index.precision import Precision
from ops.bench import categories as categories_benchmark
from ops.bench import correspond as correspond_benchmark
from ops.bench import curve as curve_benchmark
from ops.bench import furniture as furniture_benchmark
from ops.bench import grow as grow_benchmark
from ops.bench import keypoints as keypoints_benchmark
from ops.bench import reconstruct as reconstruct_benchmark
from ops.bench import register as register_benchmark
from ops.bench import similar as similar_benchmark
from ops.bench import trickle as trickle_data
from ops.bench.commands.options import (
    DATA,
    Backbone,
    Categories,
    Data,
    Device,
    EffortChoice,
    Json,
    Keep,
    Masks,
    Shapes,
    Viewpoints,
    app,
    show,
    show_shapes,
)
from ops.bench.pictures import draw_library
from ops.bench.rebuilt import Settings as Rebuilds


@app.command(epilog="example: python -m ops.bench furniture --data DATA --state STATE --json figures.json")
def furniture(
    state: Annotated[Path, typer.Option(help="State directory of a finished run on these data.")],
    data: Data = DATA,
    json: Json = None,
) -> None:
    """Clusters, masks, poses and shapes of a finished library."""
    show(lambda: furniture_benchmark.run(data, state), json)


@app.command(epilog="example: python -m ops.bench curve --data demo-state/crawl --state demo-state/library --first 30")
def curve(
    state: Annotated[Path, typer.Option(help="State directory of a run on these data, finished or not.")],
    data: Data = DATA,
    rebuild: Annotated[bool, typer.Option(help="Make the baseline too, which takes longer than the run did.")] = True,
    first: Annotated[int, typer.Option(min=1, help="Images of the baseline's first rebuild.")] = 75,
    effort: EffortChoice = "quick",
    device: Device = "cpu",
    json: Json = None,
) -> None:
    """The library as the stream goes on, by what the daemon published when, beside a rebuild at every doubling."""
    settings = Rebuilds(first, effort, device=device) if rebuild else None
    show_shapes(lambda: curve_benchmark.run(data, state, settings, Console(stderr=True, soft_wrap=True).print), json)


@app.command(epilog="example: python -m ops.bench trickle --folder crawl --images 20 --every 60 --shape chair-00")
def trickle(
    folder: Annotated[Path, typer.Option(help="Empty folder in which the shards appear.")],
    data: Data = DATA,
    shape: Shapes = None,
    images: Annotated[int, typer.Option(min=1, help="Images of each shard.")] = 20,
    every: Annotated[float, typer.Option(min=0, help="Seconds from one shard to the next.")] = 60.0,
) -> None:
    """Write data as a crawl that is still going on, for `shapelode run --follow` and then `curve`."""
    settings = trickle_data.Settings(shape or (), images, every)
    trickle_data.trickle(data, folder, settings, Console(stderr=True, soft_wrap=True).print)


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
    precision: Annotated[Precision, typer.Option(help="Arithmetic of the encoder.")] = "auto",
    json: Json = None,
) -> None:
    """Reconstruction alone: each shape from its true members, with predicted masks and no clustering."""
    settings = reconstruct_benchmark.Settings(
        shape or (), views, effort, backbone, device, range(seeds), field, rival, strangers, precision
    )
    tell = Console(stderr=True).print
    show_shapes(lambda: reconstruct_benchmark.run(data, settings, tell), json)


@app.command(epilog="example: python -m ops.bench grow --shape chair-00 --shape sofa-01 --seeds 3")
def grow(
    data: Data = DATA,
    shape: Shapes = None,
    views: Annotated[int, typer.Option(min=8, help="Images of each shape once it has doubled.")] = 40,
    effort: EffortChoice = "quick",
    backbone: Backbone = "embedded",
    device: Device = "cpu",
    seeds: Annotated[int, typer.Option(min=1, help="Each shape is grown with seeds 0, 1, ...")] = 1,
    json: Json = None,
) -> None:
    """Clusters that double: the shape of the first half continued, beside a cold start from all images."""
    settings = grow_benchmark.Settings(shape or (), views, effort, backbone, device, range(seeds))
    show_shapes(lambda: grow_benchmark.run(data, settings, Console(stderr=True).print), json)


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
    show_shapes(lambda: correspond_benchmark.run(data, settings, tell), json)


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
    show_shapes(lambda: keypoints_benchmark.run(data, settings, tell), json)


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
    show_shapes(lambda: register_benchmark.run(data, settings, Console(stderr=True, soft_wrap=True).print), json)


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
    show_shapes(lambda: similar_benchmark.run(data, settings, tell), json)


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
    show_shapes(lambda: categories_benchmark.run(data, settings, Console(stderr=True, soft_wrap=True).print), json)


@app.command(epilog="example: python -m ops.bench pictures --state STATE --output docs/images/mined.png")
def pictures(
    state: Annotated[Path, typer.Option(help="State directory with shapes.")],
    output: Annotated[Path, typer.Option(help="PNG to write.")],
    shapes: Annotated[int, typer.Option(min=1, help="Shapes to draw, best first.")] = 8,
) -> None:
    """A picture of a library: photos, and the shapes mined from them."""
    drawn = draw_library(state, output, shapes)
    Console().print(f"{output}: {drawn} shapes")
