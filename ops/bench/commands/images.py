"""What is made of images before there is a shape: objects, copies, descriptors, clusters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ops.bench import cluster as cluster_benchmark
from ops.bench import copies as copies_benchmark
from ops.bench import objects as objects_benchmark
from ops.bench import parts as parts_benchmark
from ops.bench import precision as precision_benchmark
from ops.bench.commands.options import DATA, Backbone, Data, Json, app, show


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
    show(lambda: cluster_benchmark.run(data or [DATA], settings, tell), json)


@app.command(epilog="example: python -m ops.bench parts --data DATA --keep descriptors --parts 2 --parts 8")
def parts(
    keep: Annotated[Path, typer.Option(help="Folder to keep descriptors in, and take them from.")],
    data: Annotated[list[Path] | None, typer.Option(help="Folders with shards and truth.jsonl.")] = None,
    parts: Annotated[
        list[int] | None, typer.Option(help="Into how many; may be given again. [default: 2, 4, 8]")
    ] = None,
    sample: Annotated[int, typer.Option(min=16, help="Descriptors that a division is learnt from.")] = 4096,
    backbone: Backbone = "embedded",
    json: Json = None,
) -> None:
    """A library in parts beside one in one piece: clusters that borders cut, neighbours in another part."""
    settings = parts_benchmark.Settings(keep, tuple(parts or (2, 4, 8)), sample, backbone)
    show(lambda: parts_benchmark.run(data or [DATA], settings, Console(stderr=True, soft_wrap=True).print), json)


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
    show(lambda: copies_benchmark.run(data or (DATA,), settings, Console(stderr=True, soft_wrap=True).print), json)


@app.command(epilog="example: python -m ops.bench precision --data DATA --images 600")
def precision(
    data: Data = DATA,
    images: Annotated[int, typer.Option(min=16, help="Images at most.")] = 100_000,
    json: Json = None,
) -> None:
    """What bfloat16, and 8-bit integers by torch or ONNX Runtime, cost and save: time, and the clusters then found."""
    show(lambda: precision_benchmark.run(data, images, Console(stderr=True, soft_wrap=True).print), json)


@app.command(epilog="example: python -m ops.bench objects --data DATA --data OTHER --photos 100")
def objects(
    data: Annotated[list[Path] | None, typer.Option(help="Folders with shards, truth.jsonl and masks.tar.")] = None,
    photos: Annotated[int, typer.Option(min=1, help="Photos of each kind that are composed, of each folder.")] = 40,
    backbone: Backbone = "embedded",
    seed: Annotated[int, typer.Option(help="Of photos, places and backdrops.")] = 0,
    json: Json = None,
) -> None:
    """Photos of several objects, cut-off ones and collages: what is found, beside the main object alone."""
    settings = objects_benchmark.Settings(photos, backbone, seed)
    show(lambda: objects_benchmark.run(data or (DATA,), settings, Console(stderr=True, soft_wrap=True).print), json)
