"""Arrays that grow by halves, by a number that says where."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

NONE = -1
"""The place, or the cell, of a number that has none."""
_LEAST = 64  # places that are added at least


def grown(values: NDArray[Any], size: int, fill: int = 0) -> NDArray[Any]:
    """The array, or a longer copy if it has fewer than ``size`` rows; the new rows hold ``fill``.

    It grows by half of ``size`` or more, so that rows added one by one are copied a constant number of times each.
    """
    missing = size - len(values)
    if missing <= 0:
        return values
    extra = max(_LEAST, size // 2, missing)
    return np.concatenate([values, np.full((extra, *values.shape[1:]), fill, values.dtype)])
