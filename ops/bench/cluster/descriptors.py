"""Descriptors of a data folder in the order of its shards, computed once and kept in a file."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index.backbones.base import BATCH_SIZE, Backbone
from index.views import ObjectView
from ops.bench.reconstruct import read_pictures
from ops.bench.truth import Truth, load_truth
from ops.errors import SourceError

_TOLD = 10  # batches between two reports


@dataclass(frozen=True, slots=True)
class Described:
    """What a stream of one data folder brings.

    Attributes:
        name: of the folder.
        vectors: ``(N, D)`` float32 descriptors, in the order of the shards.
        truth: ``(N,)`` number of each image's shape.
        encoder: name and fingerprint of the backbone.
    """

    name: str
    vectors: NDArray[np.float32]
    truth: NDArray[np.int64]
    encoder: tuple[str, str]


def describe(data: Path, keep: Path, load: Callable[[], Backbone], tell: Callable[[str], None]) -> Described:
    """Descriptors of all images with an object, from the file or, once, from the backbone.

    Args:
        data: folder with shards and truth.
        keep: folder of the files.
        load: makes the backbone; called only if its descriptors are not there.
        tell: told how far it is.

    Raises:
        SourceError: the data have no truth, or the file is damaged.
    """
    truth = load_truth(data)
    path = keep / f"{data.name}.npz"
    if not path.is_file():
        keep.mkdir(parents=True, exist_ok=True)
        _embed(data, truth, path, load(), tell)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as held:
            content: Mapping[str, NDArray[np.generic]] = dict(held)
        keys, vectors = [str(key) for key in content["keys"]], content["descriptors"].astype(np.float32)
        encoder = str(content["backbone"]), str(content["fingerprint"])
        names = np.unique([truth.images[key].shape for key in keys], return_inverse=True)[1]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise SourceError(f"{path} holds no descriptors of {data} ({error!r}): delete it") from error
    return Described(data.name, vectors, names.astype(np.int64), encoder)


def _embed(data: Path, truth: Truth, path: Path, backbone: Backbone, tell: Callable[[str], None]) -> None:
    pictures = list(read_pictures(data / "shards", truth.images.keys()).items())
    keys: list[str] = []
    rows: list[NDArray[np.float32]] = []
    for start in range(0, len(pictures), BATCH_SIZE):
        batch = pictures[start : start + BATCH_SIZE]
        for (key, _), view in zip(batch, backbone.embed([picture for _, picture in batch]), strict=True):
            if isinstance(view, ObjectView):
                keys.append(key)
                rows.append(view.descriptor)
        if start // BATCH_SIZE % _TOLD == 0:
            tell(f"{data.name}: described {start + len(batch):,} of {len(pictures):,} images")
    part = path.with_suffix(".part.npz")
    np.savez(part, keys=keys, descriptors=rows, backbone=backbone.name, fingerprint=backbone.fingerprint)
    part.replace(path)
