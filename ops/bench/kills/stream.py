"""A stream that is cheap to mine and leaves nothing out: rejects, copies, keys twice, a torn tar, restless clusters."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from index.views import CROP_SIZE, ObjectView

GRID = 4
_DARK = 64
DIM = GRID * GRID * 3
_SIDE = 64
_FAMILIES, _MEMBERS = 6, 18
_BROKEN, _EMPTY, _REPEATED, _COPIED, _ALIKE = 17, 23, 29, 13, 11  # every so many-th sample is one of these


def write_stream(folder: Path, shards: int, per_shard: int) -> list[str]:
    """Writes the tars; the same arguments give the same bytes. The last one is torn."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:05d}.tar" for number in range(shards)]
    for number, path in enumerate(paths):
        with tarfile.open(path, "w") as tar:
            for place in range(per_shard):
                _add_sample(tar, number * per_shard + place, place)
    _tear(paths[-1])
    return [str(path.resolve()) for path in paths]


def _tear(path: Path) -> None:
    """Cuts a tar off within the last picture of its first two thirds."""
    with tarfile.open(path) as tar:
        members = tar.getmembers()
    pictures = [member for member in members[: len(members) * 2 // 3] if member.size > 150]
    path.write_bytes(path.read_bytes()[: pictures[-1].offset_data + 100])


def _add_sample(tar: tarfile.TarFile, number: int, place: int) -> None:
    # A key that came before in its shard, though not just before: that would be the same sample.
    key = f"{number - 5:06d}" if place % _REPEATED == _REPEATED - 1 else f"{number:06d}"
    _add(tar, f"{key}.json", json.dumps({"url": f"https://example.org/{number}.jpg"}).encode())
    if place % _EMPTY != _EMPTY - 1:
        broken = place % _BROKEN == _BROKEN - 1
        copied = place % _COPIED == _COPIED - 1  # of what came shortly before, in another file
        alike = place % _ALIKE == _ALIKE - 1  # described as one of shortly before, and no copy of it
        picture = _picture(number - 4, compressed=0) if copied else _picture(number - 2 * alike, chequered=alike)
        _add(tar, f"{key}.png", b"\x89PNG no picture" if broken else picture)


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def _picture(number: int, compressed: int = 6, chequered: bool = False) -> bytes:
    """A grid of colours: families within families, close enough for their clusters to split and merge.

    Chequers on it change no mean of a colour's square, so that it is described as if there were none.
    """
    family, member = np.random.default_rng(number % _FAMILIES), np.random.default_rng(100 + number % _MEMBERS)
    values = family.normal(size=DIM) + 0.5 * member.normal(size=DIM)
    values += 0.9 * np.random.default_rng(1000 + number).normal(size=DIM)
    colours = np.clip(128 + 30 * values, 0, 255).astype(np.uint8).reshape(GRID, GRID, 3)
    pixels = np.asarray(Image.fromarray(colours).resize((_SIDE, _SIDE), Image.Resampling.NEAREST), np.int16)
    if chequered:
        rows, columns = np.indices((_SIDE, _SIDE)) // (_SIDE // GRID // 4)
        pixels = np.clip(pixels + np.where((rows + columns) % 2, 40, -40)[..., None], 0, 255)
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, "PNG", compress_level=compressed)
    return buffer.getvalue()


class ColourEncoder:
    """Describes an image by the colours of its grid: no weights, and always the same."""

    name = "colours"
    fingerprint = "c0104125"

    def embed_objects(self, images: Sequence[NDArray[np.uint8]], most: int) -> list[list[ObjectView]]:
        """The whole image is one object; where its first corner is dark, its left half is another."""
        return [[self._view(part) for part in _parts(image)[:most]] for image in images]

    def _view(self, image: NDArray[np.uint8]) -> ObjectView:
        picture = Image.fromarray(image)
        colours = np.asarray(picture.resize((GRID, GRID), Image.Resampling.BOX), np.float32).ravel() - 128
        crop = np.asarray(picture.resize((CROP_SIZE, CROP_SIZE), Image.Resampling.NEAREST))
        mask = np.ones((CROP_SIZE, CROP_SIZE), bool)
        size = (image.shape[1], image.shape[0])
        box = (0.0, 0.0, float(size[0]), float(size[1]))
        return ObjectView(colours / max(float(np.linalg.norm(colours)), 1e-6), crop, mask, box, size, 1.0)


def _parts(image: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    dark = int(image[0, 0].min()) < _DARK
    return [image, image[:, : image.shape[1] // 2]] if dark else [image]
