"""Cameras of a category's photos against viewpoints that the truth tells, with stand-ins for what recovers them."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ops.bench import categories as benchmark
from ops.bench.categories import Settings, run, true_views
from ops.bench.truth import load_truth, look_at_middle
from ops.errors import NotFoundError, SourceError
from recon import Cameras, Mesh, Quality, ReconConfig, Reconstruction, Shape, Views
from tests.patch_encoder import PatchEncoder
from tests.tars import add, jpeg

SIDE = 64


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Eight photos of cars from all around, one of them from straight above, and one of a hat from who knows where."""
    (tmp_path / "shards").mkdir()
    records = [
        {"key": f"c{n}", "category": "car", "shape": f"car-{n % 2}", "polar": 0 if n == 7 else 60, "azimuth": 45 * n}
        for n in range(8)
    ]
    records.append({"key": "h", "category": "hat"})
    (tmp_path / "truth.jsonl").write_text("\n".join(map(json.dumps, records)))
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[16:48, 8:56] = 255
    buffer = io.BytesIO()
    Image.fromarray(mask).save(buffer, "PNG")
    with tarfile.open(tmp_path / "shards" / "0.tar", "w") as shard, tarfile.open(tmp_path / "masks.tar", "w") as masks:
        for number, record in enumerate(records):
            add(shard, f"{record['key']}.jpg", jpeg(number, (SIDE, SIDE)))
            add(masks, f"{record['key']}.png", buffer.getvalue())
    return tmp_path


@pytest.fixture
def turned(data: Path, monkeypatch: pytest.MonkeyPatch) -> list[Views]:
    """Our recipe recovers all cameras up to a turn of the whole, the other one gives no shape."""
    truth = load_truth(data)
    given: list[Views] = []
    keys = sorted(key for key in truth.images if key.startswith("c") and key != "c7")

    def recover(views: Views, config: ReconConfig, *, seed: int, device: str) -> Reconstruction:
        given.append(views)
        if config.recipe == "3dminer":
            return Reconstruction("thin_evidence", "nothing", views.ids, None)
        order = views.ids[::-1]
        true = [truth.images[keys[place]].rotation for place in order]
        R = np.stack([rotation @ look_at_middle(1.0, 0.0) for rotation in true if rotation is not None])
        zeros = np.zeros(len(R), np.float32)
        cameras = Cameras(R, np.zeros((len(R), 3)), zeros, np.zeros((len(R), 2)), zeros, zeros + 1)
        mesh = Mesh(np.zeros((3, 3)), np.zeros((1, 3), int), np.zeros((3, 3)))
        return Reconstruction("shape", "", order, Shape(cameras, None, mesh, Quality(0.1, 1, 0, 7)))  # type: ignore[arg-type]

    monkeypatch.setattr(benchmark, "reconstruct", recover)
    monkeypatch.setattr(benchmark, "load_backbone", lambda name, device: PatchEncoder())
    return given


def test_viewpoints_become_rotations_without_roll() -> None:
    R = look_at_middle(np.radians(90), np.radians(30))
    assert np.linalg.det(R) == pytest.approx(1) and np.allclose(R @ R.T, np.eye(3))
    assert R[0, 1] == pytest.approx(0), "its left is level"
    assert -R[2] == pytest.approx([np.cos(np.radians(30)), 0.5, 0], abs=1e-9), "it sits to the right of the object"


@pytest.mark.parametrize("masks", ["true", "predicted"])
def test_cameras_are_compared_with_viewpoints_of_the_right_photos(
    data: Path, turned: list[Views], masks: benchmark.Masks
) -> None:
    told: list[str] = []
    report = run(data, Settings(("car",), masks=masks, subsets=2, seeds=2), told.append)
    found = {measure.name: measure for measure in report.measures}
    assert found["car: rotation error, median °"].value == pytest.approx(0, abs=1e-3)
    assert found["car: < 30°"].value == found["car: < 30°, worst run"].value == 1
    assert found["car: < 30°"].baselines[benchmark.RIVAL] == 0 and found["car: < 30°"].baselines["random poses"] < 0.5
    assert found["car: > 120°"].baselines[benchmark.RIVAL] == 1
    assert len(turned) == len(told) == 8 and "under 30°" in told[0]
    assert all(len(views) == 7 for views in turned), "the one from straight above is left out"


def test_true_masks_are_cut_with_their_photos(data: Path) -> None:
    truth = load_truth(data)
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    picture[truth.mask("c0")] = 200
    views = true_views(PatchEncoder(), [picture], [truth.mask("c0")])  # type: ignore[arg-type]
    inside = views.crops[0][views.masks[0]]
    assert views.ids.tolist() == [0] and np.median(inside) == 200
    assert 0.25 < views.masks.mean() < 0.55
    with pytest.raises(SourceError, match="holds no object"):
        true_views(PatchEncoder(), [picture], [np.zeros((SIDE, SIDE), bool)])  # type: ignore[arg-type]


def test_fewer_photos_are_drawn_on_request_and_others_each_time(data: Path, turned: list[Views]) -> None:
    run(data, Settings(("car",), views=3, masks="true", subsets=2, rival=False))
    first, second = turned
    assert len(first) == len(second) == 3 and not np.array_equal(first.crops, second.crops)


def test_what_the_truth_does_not_tell_is_an_error(data: Path, turned: list[Views]) -> None:
    with pytest.raises(SourceError, match="from where photos of hat"):
        run(data, Settings(("hat",)))
    with pytest.raises(NotFoundError, match="no category boat"):
        run(data, Settings(("boat",)))
    assert not turned
