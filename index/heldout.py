"""Which images judge the next version of a shape: neither it nor the version before may be fitted to them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Set

_SHARE = 0.25
_FEWEST = 4  # wanted of a few images, as long as that is no more than half of them
_MOST = 32  # more cost time and change no verdict


def held_out(samples: Iterable[int], fitted: Set[int], most: int = _MOST, least: int = 0) -> list[int]:
    """Draws the judges among the images that are new to a shape.

    Images come in the order of a digest of their number, so the same images give the same judges whatever order they
    came in, and one that has judged a version mostly judges the next as well.

    Args:
        samples: images of the cluster.
        fitted: those that the version before was fitted to.
        most: no more than so many, and never more than 32.
        least: no fewer than so many, if there are; for what is not to be fitted to anything new.

    Returns:
        A quarter of the others, at least four but no more than half of them, at most 32; ascending.
    """
    fresh = sorted(set(samples) - fitted, key=_rank)
    wanted = max(math.ceil(_SHARE * len(fresh)), min(_FEWEST, len(fresh) // 2), least)
    return sorted(fresh[: max(min(wanted, most, _MOST), 0)])


def _rank(sample: int) -> bytes:
    return hashlib.blake2b(sample.to_bytes(8, "big"), digest_size=8).digest()
