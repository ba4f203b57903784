"""Patch features of crops seen lately: a shape is continued with photos that its reconstructor has seen before."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from index.backbones.base import Backbone

_Features = NDArray[np.float16]


class RememberedPatches:
    """A backbone whose patch features of the crops seen last are not computed again.

    They are given in half precision the first time too, so that results do not depend on what is remembered.
    """

    def __init__(self, backbone: Backbone, most_mib: int) -> None:
        """Remembers so many MiB; the crops not asked for the longest go first."""
        self._backbone = backbone
        self._kept: LRUCache[bytes, _Features] = LRUCache(most_mib << 20, getsizeof=lambda one: one.nbytes)

    def patches(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `Backbone.patches`."""
        names = [blake2b(crop, digest_size=16).digest() for crop in np.ascontiguousarray(crops)]
        found: dict[bytes, _Features] = {name: self._kept[name] for name in names if name in self._kept}
        new = {name: row for row, name in enumerate(names) if name not in found}
        if new:
            computed = self._backbone.patches(crops[list(new.values())]).astype(np.float16)
            for name, features in zip(new, computed, strict=True):
                found[name] = features
                self._keep(name, features.copy())  # a view would keep all of them
        return np.stack([found[name] for name in names]).astype(np.float32)

    def viewpoints(
        self, features: NDArray[np.float32], mirrored: NDArray[np.float32], masks: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
        """See `Backbone.viewpoints`."""
        return self._backbone.viewpoints(features, mirrored, masks)

    def _keep(self, name: bytes, features: _Features) -> None:
        if features.nbytes <= self._kept.maxsize:
            self._kept[name] = features
