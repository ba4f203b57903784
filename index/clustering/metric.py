"""What tells shapes apart in a backbone's descriptors, learnt from procedural objects and shipped with the package.

Directions in which photos of one object differ (light, material, backdrop, viewpoint) are turned down, as in linear
discriminant analysis: with the covariance ``W`` within objects, descriptors are multiplied by ``W^-1/2``. Learnt by
``python -m ops.train metric``. A space that a stream need not find for itself is there from its first image and
stays, so clusters neither depend on what came first nor shift as more comes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from ops.errors import BackboneError

METRICS = Path(__file__).parent / "metrics"
"""One file for each backbone that has a metric, by the name of the backbone."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A linear map of descriptors.

    Attributes:
        projection: ``(D, r)`` float32.
    """

    projection: NDArray[np.float32]


@cache
def load_metric(backbone: str, fingerprint: str) -> Metric | None:
    """The metric learnt for a backbone; None if there is none for just this one.

    Raises:
        BackboneError: the file can't be read.
    """
    path = METRICS / f"{backbone}.safetensors"
    if not path.is_file():
        return None
    try:
        with safe_open(path, "np") as file:
            known = (file.metadata() or {}).get("fingerprint")
            return Metric(file.get_tensor("projection").astype(np.float32)) if known == fingerprint else None
    except (SafetensorError, OSError) as error:
        raise BackboneError(f"{path.name}: {error}: install the package anew") from error
