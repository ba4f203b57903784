from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from daemon.cli.entry import run_command
from daemon.compare import compare
from index.library import open_library
from index.records import CameraRecord
from index.store import Store
from index.tables import CAMERAS
from ops.errors import NotFoundError
from tests.library_factory import make_library


def camera(image: int, turn: Rotation, weight: float = 1.0) -> CameraRecord:
    rows = tuple(tuple(row) for row in turn.as_matrix().tolist())
    return CameraRecord(image, rows, (0.0, 0.0, 3.0), 40.0, (0.0, 0.0), 0.1, weight)  # type: ignore[arg-type]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    make_library(tmp_path)
    turns = Rotation.random(6, random_state=np.random.RandomState(0))
    frame = Rotation.from_euler("y", 30, degrees=True)  # the second version's object frame is turned
    nudge = Rotation.from_euler("x", 4, degrees=True)
    store = Store(tmp_path, readonly=False, map_size_gib=0.1)
    with store.write() as txn:
        txn.put(CAMERAS, (1, 1), [camera(i, turns[i]) for i in range(5)])
        second = [camera(i, (nudge if i == 2 else Rotation.identity()) * turns[i] * frame) for i in range(1, 5)]
        txn.put(CAMERAS, (1, 2), [*second, camera(5, turns[5]), camera(0, turns[0], 0.0)])
    store.close()
    return tmp_path


def test_figures_images_and_cameras(state: Path) -> None:
    library = open_library(state)
    found = compare(library, 1, 1, 2)
    assert (found.version.version, found.other.version) == (1, 2)
    assert found.loss_change == pytest.approx(-0.15) and found.iou_change == 0
    assert (found.images_gained, found.images_lost, found.images_kept) == ([5], [0], 4)
    assert found.turn == pytest.approx(30, abs=2)
    assert found.camera_change is not None and found.camera_change < 4
    same = compare(library, 1, 2, 2)
    assert (same.turn, same.camera_change) == pytest.approx((0, 0), abs=1e-5)
    with pytest.raises(NotFoundError, match="version 9"):
        compare(library, 1, 1, 9)
    library.close()


def test_the_shell_tells(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["compare", "1", "1", "2", "--state", str(state)]) == 0
    out = capsys.readouterr().out
    assert "0.300 to 0.150 (-0.150)" in out and "4 in both, 1 new, 1 gone" in out
