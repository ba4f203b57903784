"""An endless supply of shards, some of them torn at first."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ops.synth.render import photograph
from ops.synth.shapes import make_shapes

_SHAPES, _VIEWS, _SIDE = 3, 12, 192
_MARGIN = 0.15  # of a side that is cut at most
_END = 1024  # zero blocks that close a tar


class Feed:
    """Writes shards of few samples into a folder: photos of objects at first, later pictures of nothing.

    Photos make the library grow, and memory with it. Pictures of nothing take the same way through reading, masking and
    committing, end as rejects, and leave memory where it is: what still grows with them is a leak.

    Attributes:
        samples: written so far, without those that a torn shard still lacks.
        shards: written so far.
    """

    def __init__(self, folder: Path, per_shard: int, seed: int) -> None:
        """Draws the photos all shards are made from."""
        folder.mkdir(parents=True)
        self._folder = folder
        self._per_shard = per_shard
        self._rng = np.random.default_rng(seed)
        self._photos = [
            photograph(shape, np.random.default_rng((seed, number, view)), _SIDE).image
            for number, shape in enumerate(make_shapes(_SHAPES, seed))
            for view in range(_VIEWS)
        ]
        self._torn: list[tuple[Path, bytes]] = []
        self.samples = 0
        self.shards = 0

    def add(self, *, objects: bool, torn: bool = False) -> None:
        """Writes the next shard; one that is torn lacks its end until `mend`."""
        raw = self._shard(objects)
        path = self._folder / f"{self.shards:05d}.tar"
        self.shards += 1
        self.samples += self._per_shard
        if torn:
            cut = int(self._rng.integers(512, len(raw) - _END))
            self._torn.append((path, raw[cut:]))
            raw = raw[:cut]
        _write(path, raw)

    def mend(self) -> None:
        """Gives torn shards their end."""
        for path, rest in self._torn:
            with path.open("ab") as file:
                file.write(rest)
        self._torn.clear()

    def _shard(self, objects: bool) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for place in range(self._per_shard):
                data = _jpeg(self._photo() if objects else self._nothing())
                info = tarfile.TarInfo(f"{self.shards:05d}{place:04d}.jpg")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        return buffer.getvalue()

    def _photo(self) -> NDArray[np.uint8]:
        """One of the photos in another light, mirrored or not, and cut, so that it is no copy of an earlier one."""
        photo = self._photos[int(self._rng.integers(len(self._photos)))]
        if self._rng.random() < 0.5:
            photo = photo[:, ::-1]
        lit = np.clip(photo * self._rng.uniform(0.8, 1.2), 0, 255).astype(np.uint8)
        x0, y0, x1, y1 = (float(margin) for margin in self._rng.uniform(0, _MARGIN * _SIDE, 4))
        return np.asarray(Image.fromarray(lit).resize((_SIDE, _SIDE), box=(x0, y0, _SIDE - x1, _SIDE - y1)))

    def _nothing(self) -> NDArray[np.uint8]:
        return np.full((_SIDE, _SIDE, 3), self._rng.integers(0, 256, 3), np.uint8)


def _jpeg(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _write(path: Path, raw: bytes) -> None:
    # Under another name at first: what a reader sees torn must be what was meant to be.
    hidden = path.with_suffix(".part")
    hidden.write_bytes(raw)
    hidden.rename(path)
