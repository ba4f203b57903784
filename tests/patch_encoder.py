"""A backbone for benchmarks that need no real one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from index.views import CROP_SIZE, ObjectView
from ops.errors import RejectError


class PatchEncoder:
    """Sees an object in the middle of every image but pitch-black ones; a feature is a patch's mean colour."""

    def embed(self, pictures: Sequence[np.ndarray]) -> list[ObjectView | RejectError]:
        return [self._view(picture) for picture in pictures]

    def patches(self, crops: np.ndarray) -> np.ndarray:
        blocks = crops.reshape(len(crops), 4, CROP_SIZE // 4, 4, CROP_SIZE // 4, 3).mean((2, 4))
        return blocks.transpose(0, 3, 1, 2).astype(np.float32)

    def viewpoints(self, *arrays: np.ndarray) -> None:
        return None

    def _view(self, picture: np.ndarray) -> ObjectView | RejectError:
        if not picture.any():
            return RejectError("no_foreground", "black")
        side = len(picture)
        cells = np.arange(CROP_SIZE) * side // CROP_SIZE
        mask = np.zeros((CROP_SIZE, CROP_SIZE), dtype=bool)
        mask[50:150, 50:150] = True
        return ObjectView(
            np.ones(1, np.float32), picture[np.ix_(cells, cells)], mask, (0, 0, side, side), (side, side), 0.2
        )
