"""Places of an array that hold the same number, so that what they have in common is looked up once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from index.clustering.base import IntArray


def places_by_value(values: IntArray) -> Iterator[tuple[int, IntArray]]:
    """Each different value of ``(N,)``, in order, and its places, in order."""
    order = np.argsort(values, kind="stable")
    starts = np.flatnonzero(np.diff(values[order], prepend=values.min(initial=0) - 1)).tolist()
    for start, end in pairwise([*starts, len(values)]):
        yield int(values[order[start]]), order[start:end]
