"""Which part of a library an object belongs to: coarse centroids, each owned by one part."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray
from scipy.cluster.hierarchy import linkage

from index.files import write_whole
from index.kmeans import FloatArray, two_levels
from index.layout import ROUTING
from ops.errors import ConfigError, FingerprintError, StateError

CELLS_A_PART = 32
_LEAST_A_CELL = 4  # descriptors: of fewer a centroid says nothing
_FAMILIES_A_PART = 3


@dataclass(frozen=True)
class Routing:
    """Coarse centroids and their owners; never changes once a library has begun, or its images would lie astray.

    Attributes:
        centroids: unit vectors ``(C, D)`` float32.
        owners: ``(C,)`` int64, the part that each belongs to.
        fingerprint: of the backbone whose descriptors these are.
    """

    centroids: FloatArray
    owners: NDArray[np.int64]
    fingerprint: str

    @property
    def parts(self) -> int:
        """Number of parts."""
        return int(self.owners.max()) + 1

    def affinities(self, descriptors: FloatArray) -> FloatArray:
        """Cosine similarity ``(N, parts)`` of descriptors ``(N, D)`` to the nearest centroid of each part."""
        scores = descriptors.astype(np.float32) @ self.centroids.T
        return np.stack([scores[:, self.owners == part].max(axis=1) for part in range(self.parts)], axis=1)

    def save(self, folder: Path) -> None:
        """Writes it into the folder, whole or not at all."""
        data = safetensors.numpy.save(
            {"centroids": self.centroids, "owners": self.owners}, {"fingerprint": self.fingerprint}
        )
        write_whole(folder / ROUTING, data)


def learn_routing(descriptors: FloatArray, parts: int, fingerprint: str) -> Routing:
    """Learns centroids by k-means, and divides them into parts that about as many descriptors belong to.

    Centroids that lie together are first joined by average linkage, a fraction of a part at most; these are halved
    again and again across the direction along which they differ most. The same descriptors give the same parts.

    Args:
        descriptors: unit vectors ``(N, D)``, such as the stream's first.
        parts: how many.
        fingerprint: of the backbone.

    Raises:
        ConfigError: there are too few descriptors for so many parts.
    """
    cells = min(CELLS_A_PART * parts, len(descriptors) // _LEAST_A_CELL)
    if cells < parts:
        need = _LEAST_A_CELL * parts
        raise ConfigError(f"{parts} parts have to be learnt from {need} images at least; there are {len(descriptors)}")
    _, groups = two_levels(np.ascontiguousarray(descriptors, np.float32), cells, spherical=True)
    centroids = np.concatenate(groups)
    centroids /= np.maximum(np.linalg.norm(centroids, axis=1, keepdims=True), 1e-12)
    weights = np.bincount((descriptors @ centroids.T).argmax(axis=1), minlength=len(centroids)).astype(np.float64)
    families = _families(centroids, weights, weights.sum() / parts / _FAMILIES_A_PART)
    if families.max() + 1 < parts:
        families = np.arange(len(centroids))
    middles = np.stack([centroids[families == family].mean(axis=0) for family in range(families.max() + 1)])
    owners = np.zeros(len(middles), np.int64)
    _divide(middles, np.bincount(families, weights).astype(np.float64), np.arange(len(middles)), range(parts), owners)
    return Routing(centroids, owners[families], fingerprint)


def _families(centroids: FloatArray, weights: NDArray[np.float64], most: float) -> NDArray[np.int64]:
    """Numbers centroids such that those that lie together share one, unless they would weigh more than ``most``."""
    numbers = np.arange(len(centroids))
    if len(centroids) == 1:
        return numbers
    members = {cell: [cell] for cell in range(len(centroids))}
    for step, (one, other, *_) in enumerate(linkage(centroids.astype(np.float64), "average")):
        pair = members.pop(int(one), None), members.pop(int(other), None)
        if pair[0] is None or pair[1] is None:
            continue  # one of them is as heavy as may be, and ends here; so does the other
        joined = pair[0] + pair[1]
        if weights[joined].sum() <= most:
            members[len(centroids) + step] = joined
            numbers[joined] = joined[0]
    return np.unique(numbers, return_inverse=True)[1]


def _divide(
    middles: FloatArray, weights: NDArray[np.float64], units: NDArray[np.int64], parts: range, owners: NDArray[np.int64]
) -> None:
    if len(parts) == 1:
        owners[units] = parts[0]
        return
    left = len(parts) // 2
    ordered = units[np.argsort(_along(middles[units], weights[units]), kind="stable")]
    cuts = np.arange(left, len(units) - (len(parts) - left) + 1)  # each part gets one at least
    filled = np.cumsum(weights[ordered])[cuts - 1] / max(weights[units].sum(), 1.0)
    at = cuts[np.abs(filled - left / len(parts)).argmin()]
    _divide(middles, weights, ordered[:at], parts[:left], owners)
    _divide(middles, weights, ordered[at:], parts[left:], owners)


def _along(rows: FloatArray, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where each row lies along the direction in which the rows, by their weights, differ most."""
    shares = np.maximum(weights, 1e-6)
    centred = rows - np.average(rows, axis=0, weights=shares)
    direction = np.linalg.svd(centred * np.sqrt(shares)[:, None], full_matrices=False)[2][0]
    direction *= np.sign(direction[np.abs(direction).argmax()])
    return np.asarray(centred @ direction, np.float64)


def read_routing(folder: Path) -> Routing:
    """The routing of a library in parts.

    Raises:
        StateError: the file can't be read.
    """
    path = folder / ROUTING
    try:
        with safetensors.safe_open(path, "numpy") as file:
            known = (file.metadata() or {}).get("fingerprint", "")
            return Routing(file.get_tensor("centroids"), file.get_tensor("owners"), known)
    except (OSError, safetensors.SafetensorError) as error:
        raise StateError(f"{path} can't be read: {error}; take it from a backup, it can't be learnt again") from error


def load_routing(folder: Path, fingerprint: str, parts: int) -> Routing | None:
    """The routing to go on with; None if it has not been learnt yet.

    Raises:
        StateError: the file can't be read, or is of another number of parts.
        FingerprintError: it was learnt of another backbone's descriptors.
    """
    if not (folder / ROUTING).exists():
        return None
    routing = read_routing(folder)
    if routing.fingerprint != fingerprint:
        raise FingerprintError(
            f"the parts of {folder} were learnt of descriptors of backbone {routing.fingerprint}, not {fingerprint}; "
            "use the backbone of before"
        )
    if routing.parts != parts:
        raise StateError(f"{folder} is a library of {routing.parts} parts; set parts.count to that, or use another")
    return routing
