"""Which images show a shape best, from a direction, of a time."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from daemon.sights import Wanted, sights
from index.library import Library, open_library
from index.records import CameraRecord, SampleRecord
from index.store import Store
from index.tables import CAMERAS, QUARANTINED, SAMPLES
from ops.errors import ConfigError, NotFoundError
from tests.library_factory import TIME, make_library

STRANGER = 5
AZIMUTHS = (0, 90, 180, 270, 20, 0)
LOSSES = (0.3, 0.2, 0.1, 0.4, 0.25, 0.0)


def camera(image: int) -> CameraRecord:
    """Looks at the middle from an azimuth, 20 degrees above; our axes: x left, y up, z forward."""
    around, up = np.radians(AZIMUTHS[image]), np.radians(20)
    forward = -np.array([np.cos(up) * np.sin(around), np.sin(up), np.cos(up) * np.cos(around)])
    left = np.cross((0, 1, 0), forward) / np.linalg.norm(np.cross((0, 1, 0), forward))
    R = np.stack([left, np.cross(forward, left), forward])
    return CameraRecord(
        image, tuple(tuple(map(float, row)) for row in R), (0.0, 0.0, 3.0), 40.0, (0.0, 0.0), LOSSES[image],  # type: ignore[arg-type]
        0.0 if image == STRANGER else 1.0,
    )  # fmt: skip


@pytest.fixture
def library(tmp_path: Path) -> Library:
    make_library(tmp_path)
    store = Store(tmp_path, readonly=False, map_size_gib=0.1)
    with store.write() as txn:
        txn.put(CAMERAS, (1, 2), [camera(image) for image in range(6)])
        for image in range(6):
            record = txn.get(SAMPLES, image)
            assert isinstance(record, SampleRecord)
            txn.put(SAMPLES, image, msgspec.structs.replace(record, time=TIME + 100 * image))
        txn.put(QUARANTINED, 3, b"")
    store.close()
    return open_library(tmp_path)


def shown(library: Library, **wanted: float) -> list[int]:
    return [sight.image.id for sight in sights(library, 1, wanted=Wanted(**wanted))]


def test_best_first_without_strangers_and_what_is_in_quarantine(library: Library) -> None:
    found = sights(library, 1)
    assert [sight.image.id for sight in found] == [2, 1, 4, 0]
    assert [sight.loss for sight in found] == [0.1, 0.2, 0.25, 0.3]
    assert [round(sight.azimuth) for sight in found] == [180, 90, 20, 0]
    assert all(round(sight.elevation) == 20 and sight.away == 0 for sight in found)


def test_from_a_direction(library: Library) -> None:
    assert shown(library, azimuth=0, elevation=20) == [4, 0]
    assert shown(library, azimuth=360, elevation=20, within=5) == [0]
    assert shown(library, azimuth=-270, elevation=20) == [1]
    assert shown(library, azimuth=0, elevation=-20, within=30) == []
    assert shown(library, elevation=90, within=71) == [2, 1, 4, 0], "from above there is no azimuth"
    away = {sight.image.id: sight.away for sight in sights(library, 1, wanted=Wanted(0, 20))}
    assert away[0] == pytest.approx(0, abs=1e-3) and 15 < away[4] < 20


def test_of_a_time(library: Library) -> None:
    assert shown(library, since=TIME + 100) == [2, 1, 4]
    assert shown(library, since=TIME + 100, until=TIME + 200) == [1]
    assert shown(library, until=TIME) == []


def test_what_makes_no_sense_is_said(library: Library) -> None:
    with pytest.raises(ConfigError, match="azimuth too"):
        sights(library, 1, wanted=Wanted(elevation=20))
    with pytest.raises(NotFoundError, match="version 9"):
        sights(library, 1, 9)
