"""Write a crawl of procedural objects as img2dataset would, with the truth kept aside."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
import webdataset
from PIL import Image

from ops.errors import ConfigError
from ops.synth.render import Photo, photograph
from ops.synth.shapes import Shape, make_shapes

Crawl = Iterator[tuple[str, Shape, Photo]]


def write_shards(
    directory: str | Path,
    shapes: int = 8,
    views: int = 30,
    seed: int = 0,
    per_shard: int = 100,
    size: int = 256,
) -> Path:
    """Render ``shapes * views`` photos in shuffled order; the same arguments give the same bytes.

    Layout: ``directory/shards/NNNNN.tar`` (``KEY.jpg``, ``KEY.json``, ``KEY.txt``; no label inside) and
    ``directory/truth/`` with ``truth.jsonl``, ``masks.tar`` and ``meshes/SHAPE.ply``, for measuring only.

    Args:
        directory: where to write; created if missing.
        shapes: number of different objects.
        views: photos of each object.
        seed: draws everything.
        per_shard: images a tar.
        size: image side in pixels.

    Returns:
        The folder of the shards.

    Raises:
        ConfigError: a count is not positive, or the directory already holds shards.
    """
    return write_photos(directory, make_shapes(shapes, seed), views, seed, per_shard, size)


def write_photos(
    directory: str | Path, catalogue: Sequence[Shape], views: int, seed: int, per_shard: int, size: int = 256
) -> Path:
    """As `write_shards`, of given objects; the seed draws the photos.

    Raises:
        ConfigError: a count is not positive, or the directory already holds shards.
    """
    if min(views, per_shard) < 1:
        raise ConfigError("views and images per shard must be at least 1")
    shards, truth = Path(directory) / "shards", Path(directory) / "truth"
    if any(shards.glob("*.tar")):
        raise ConfigError(f"{shards} already holds shards; choose an empty directory")
    for folder in (shards, truth / "meshes"):
        folder.mkdir(parents=True, exist_ok=True)
    for shape in catalogue:
        _write_mesh(shape, truth / "meshes" / f"{shape.name}.ply")
    _write_images(_crawl(catalogue, views, seed, size), shards, truth, per_shard)
    return shards


def _crawl(catalogue: Sequence[Shape], views: int, seed: int, size: int) -> Crawl:
    """Photos in shuffled order with their keys; each photo has a random stream of its own."""
    rng = np.random.default_rng((seed, len(catalogue), views))
    for index, pick in enumerate(rng.permutation(len(catalogue) * views)):
        shape = catalogue[pick // views]
        photo = photograph(shape, np.random.default_rng((seed, pick // views, pick % views, 1)), size)
        yield f"{rng.integers(10**8, 10**9)}{index:05d}", shape, photo


def _write_images(crawl: Crawl, shards: Path, truth: Path, per_shard: int) -> None:
    with (
        webdataset.ShardWriter(str(shards / "%05d.tar"), maxcount=per_shard, verbose=0, mtime=0) as images,
        webdataset.TarWriter(str(truth / "masks.tar"), mtime=0) as masks,
        (truth / "truth.jsonl").open("w", encoding="utf-8") as lines,
    ):
        for key, shape, photo in crawl:
            images.write(_sample(key, photo))
            masks.write({"__key__": key, "png": _encode(Image.fromarray(photo.mask), "PNG")})
            lines.write(json.dumps(_record(key, shape, photo)) + "\n")


def _sample(key: str, photo: Photo) -> dict[str, Any]:
    height, width = photo.mask.shape
    url = f"https://images.example/{key}.jpg"
    about = {"key": key, "url": url, "width": width, "height": height, "status": "success"}
    picture = _encode(Image.fromarray(photo.image), "JPEG", quality=90)
    return {"__key__": key, "jpg": picture, "json": json.dumps(about).encode(), "txt": b""}


def _record(key: str, shape: Shape, photo: Photo) -> dict[str, Any]:
    camera = photo.camera
    return {
        "key": key,
        "shape": shape.name,
        "category": shape.category,
        "background": photo.background,
        "azimuth": camera.azimuth,
        "elevation": camera.elevation,
        "roll": camera.roll,
        "fov": camera.fov,
        "R": camera.R.tolist(),
        "t": camera.t.tolist(),
    }


def _encode(picture: Image.Image, form: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def _write_mesh(shape: Shape, path: Path) -> None:
    mesh = trimesh.Trimesh(shape.vertices, shape.faces, face_colors=shape.face_colors, process=False)
    mesh.export(str(path), file_type="ply")
