"""Features of crops that were seen before are not computed again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from actors.patches import RememberedPatches

CHANNELS = (1 << 18) // 9  # features of two crops fill a MiB in half precision


class Encoder:
    """Features that tell the crop, and a third of which half precision can't hold."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def patches(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.seen += crops[:, 0, 0, 0].tolist()
        return np.broadcast_to(crops[:, :1, :1, :1] / np.float32(3), (len(crops), CHANNELS, 3, 3)).copy()

    def viewpoints(self, *arrays: NDArray[np.float32]) -> str:
        return "guesses"


def crops_of(*values: int) -> NDArray[np.uint8]:
    return np.stack([np.full((8, 8, 3), value, np.uint8) for value in values])


def test_only_new_crops_are_computed_and_all_come_out_the_same() -> None:
    encoder = Encoder()
    patches = RememberedPatches(encoder, 2)  # type: ignore[arg-type]
    first = patches.patches(crops_of(5, 7, 5))
    assert sorted(encoder.seen) == [5, 7]
    again = patches.patches(crops_of(7, 9, 5))
    assert encoder.seen[2:] == [9]
    assert first.dtype == np.float32 and np.array_equal(first[[1, 0]], again[[0, 2]])
    assert np.array_equal(first[:, 0, 0, 0], (np.array([5, 7, 5], np.float32) / 3).astype(np.float16))
    assert patches.viewpoints(first, first, first) == "guesses"


def test_the_crops_not_asked_for_the_longest_go_first() -> None:
    encoder = Encoder()
    patches = RememberedPatches(encoder, 1)  # type: ignore[arg-type]
    patches.patches(crops_of(1, 2))
    patches.patches(crops_of(1))
    patches.patches(crops_of(3))
    encoder.seen.clear()
    patches.patches(crops_of(1, 3))
    assert encoder.seen == []
    patches.patches(crops_of(2))
    assert encoder.seen == [2]


def test_without_memory_everything_is_computed_each_time() -> None:
    encoder = Encoder()
    patches = RememberedPatches(encoder, 0)  # type: ignore[arg-type]
    assert np.array_equal(patches.patches(crops_of(4)), patches.patches(crops_of(4)))
    assert encoder.seen == [4, 4]
