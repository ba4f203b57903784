"""Learns what tells shapes apart, from how several pictures of one procedural thing differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from index.backbones.base import BATCH_SIZE, Backbone
from index.views import ObjectView
from ops.errors import ConfigError
from ops.synth.assembly import assembly
from ops.synth.render import photograph
from ops.synth.shapes import Shape, assemble
from ops.train.fronts import random_thing
from ops.train.photos import PhotoBackdrop, Picture
from ops.train.samples import MIN_SHARE, SCENE_SIZE, compressed

ASSEMBLY_SHARE = 0.25
"""How many things are assemblies of no kind."""

VIEWS = 6
SHRINKAGE = 0.05
"""Share of the largest eigenvalue within things that is added to all, against amplified noise."""

RANK = 512

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]


def describe_things(
    backbone: Backbone, photos: Sequence[Picture], count: int, seed: int, tick: Callable[[], None] = lambda: None
) -> tuple[Array, IntArray]:
    """Descriptors of pictures of random things, as the stream would make them.

    Args:
        backbone: finds the things in the pictures and describes them.
        photos: for the backdrops.
        count: things to draw.
        seed: draws everything.
        tick: told of each thing.

    Returns:
        Descriptors ``(N, D)`` and the thing of each ``(N,)``; pictures in which nothing is found are left out.
    """
    rows: list[NDArray[np.float32]] = []
    things: list[int] = []
    pictures: list[Picture] = []
    shown: list[int] = []

    def embed() -> None:
        for thing, view in zip(shown, backbone.embed(pictures), strict=True):
            if isinstance(view, ObjectView):
                rows.append(view.descriptor)
                things.append(thing)
        pictures.clear()
        shown.clear()

    for thing, picture in _pictures(photos, count, seed, tick):
        pictures.append(picture)
        shown.append(thing)
        if len(pictures) == BATCH_SIZE:
            embed()
    if pictures:
        embed()
    return np.array(rows, np.float64), np.array(things, np.int64)


def fit_metric(rows: Array, things: IntArray) -> NDArray[np.float32]:
    """Directions ``(D, r)`` in which pictures of a thing differ alike, the widest spread first.

    Args:
        rows: ``(N, D)`` descriptors.
        things: ``(N,)`` what each shows.

    Raises:
        ConfigError: no thing has two pictures.
    """
    names, thing, counts = np.unique(things, return_inverse=True, return_counts=True)
    if len(rows) == len(names):
        raise ConfigError("a metric needs things with two pictures and more: raise --things")
    means = np.zeros((len(names), rows.shape[1]))
    np.add.at(means, thing, rows)
    inner = rows - (means / counts[:, None])[thing]
    values, vectors = np.linalg.eigh(inner.T @ inner / (len(rows) - len(names)))
    whiten = vectors / np.sqrt(np.maximum(values, 0.0) + SHRINKAGE * values[-1])
    centred = (rows - rows.mean(axis=0)) @ whiten
    turn = np.linalg.eigh(centred.T @ centred)[1][:, ::-1]
    return np.asarray((whiten @ turn)[:, :RANK], np.float32)


def save_metric(projection: NDArray[np.float32], fingerprint: str, path: Path) -> None:
    """Write a metric in half precision, for the backbone of this fingerprint alone."""
    path.parent.mkdir(exist_ok=True)
    save_file({"projection": projection.astype(np.float16)}, path, {"fingerprint": fingerprint})


def _pictures(
    photos: Sequence[Picture], count: int, seed: int, tick: Callable[[], None]
) -> Iterator[tuple[int, Picture]]:
    rng, backdrop = np.random.default_rng((seed, 7)), PhotoBackdrop(photos)
    for thing in range(count):
        shape = _draw(rng)
        for _ in range(VIEWS):
            photo = photograph(shape, rng, SCENE_SIZE, backdrop)
            if photo.mask.mean() >= MIN_SHARE:
                yield thing, compressed(photo.image, rng)
        tick()


def _draw(rng: np.random.Generator) -> Shape:
    return assemble("assembly", "assembly", assembly(rng)) if rng.random() < ASSEMBLY_SHARE else random_thing(rng)
