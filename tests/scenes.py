"""A library whose cameras look from all sides, to check exports with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from index.records import CameraRecord
from index.store import Store
from index.summaries import CameraSummary
from index.tables import CAMERAS
from index.views import CROP_SIZE
from recon.types import Cameras
from tests.library_factory import make_library
from tests.test_recon_camera import pixels_of

STRANGER = 5


def make_scene_library(folder: Path) -> Path:
    """A library whose first shape has five cameras from all sides, certain by 0.4 to 0.8, and a stranger's."""
    make_library(folder)
    random = np.random.default_rng(3)
    turns = Rotation.random(6, random_state=np.random.RandomState(3)).as_matrix()
    cameras = [
        CameraRecord(
            sample, tuple(tuple(row) for row in turns[sample].tolist()),  # type: ignore[arg-type]
            (*random.uniform(-0.2, 0.2, 2).tolist(), 3.5), float(random.uniform(20, 40)),
            tuple(random.uniform(-0.2, 0.2, 2).tolist()), 0.1, 0.0 if sample == STRANGER else 1.0,
            certainty=0.4 + 0.1 * sample,
        )
        for sample in range(6)
    ]  # fmt: skip
    store = Store(folder, readonly=False, map_size_gib=0.1)
    with store.write() as txn:
        txn.put(CAMERAS, (1, 2), cameras)
    store.close()
    return folder


def our_pixels(points: NDArray[np.float64], camera: CameraSummary) -> NDArray[np.float64]:
    """Where points land in the crop, in pixels from its corner, by the contract of our cameras."""
    one = Cameras(
        np.array([camera.R]), np.array([camera.t]), np.radians([camera.fov]), np.array([camera.offset]),
        np.zeros(1, np.float32), np.ones(1, np.float32),
    )  # type: ignore[arg-type]  # fmt: skip
    return (pixels_of(points, one, 0) + 1) / 2 * CROP_SIZE


def box_points() -> NDArray[np.float64]:
    """Points within the object's box, no two of them alike from any side."""
    return np.random.default_rng(0).uniform(-0.5, 0.5, (20, 3))
