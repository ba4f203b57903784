"""Instances take turns at being registered to the others, in the frame that fits better."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ops.bench import register as benchmark
from ops.bench.register import Settings, run
from ops.bench.truth import TrueImage, Truth, look_at_middle
from ops.errors import SourceError
from recon import Cameras, Mesh, Quality, Reconstruction, Shape, Views

COUNT = 20


def views_of(count: int) -> Views:
    ids = np.arange(count)
    features = np.tile(ids[:, None, None, None], (1, 1, 2, 2)).astype(np.float32)
    return Views(ids, np.zeros((count, 4, 4, 3), np.uint8), np.ones((count, 4, 4), bool), features, features)


@pytest.fixture
def cows(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[int], list[int]]]:
    """Twenty photos of four cows; a shape fits only if its frame is turned, and registers all views but the first."""
    images = [
        TrueImage(f"{n:02d}", f"cow-{n % 4}", "", None, "cow", look_at_middle(np.radians(18 * n), 0.4))
        for n in range(COUNT)
    ]
    images.append(TrueImage("b", "boat-0", "", None, "boat", look_at_middle(0.0, 0.0)))
    truth = Truth({image.key: image for image in images}, {}, Path("nowhere"))
    asked: list[tuple[list[int], list[int]]] = []
    built: list[list[int]] = []

    def reconstruct(views: Views, *arguments: object, rotations: np.ndarray, **options: object) -> Reconstruction:
        built.append(views.ids.tolist())
        turned = not np.allclose(rotations[0], images[views.ids[0]].rotation, atol=1e-3)
        quality = Quality(0.1 if turned else 0.6, 1, 0, len(views))
        mesh = Mesh(np.zeros((3, 3)), np.zeros((1, 3), int), np.zeros((3, 3)))
        return Reconstruction("shape", "", views.ids, Shape(_cameras(rotations), None, mesh, quality))  # type: ignore[arg-type]

    def register(views: Views, shape: Reconstruction, **options: object) -> Cameras:
        asked.append((shape.ids.tolist(), views.ids.tolist()))
        turn = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
        R = np.stack([rotation @ turn for place in views.ids if (rotation := images[place].rotation) is not None])
        if 0 in views.ids:
            R[list(views.ids).index(0)] @= np.diag([-1.0, 1, -1])
        return _cameras(R)

    def _cameras(R: np.ndarray) -> Cameras:
        zeros = np.zeros(len(R), np.float32)
        return Cameras(R, np.zeros((len(R), 3)), zeros, np.zeros((len(R), 2)), zeros, zeros + 1)

    monkeypatch.setattr(benchmark, "load_truth", lambda data: truth)
    monkeypatch.setattr(benchmark, "load_backbone", lambda name, device: None)
    monkeypatch.setattr(benchmark, "views_of", lambda data, truth, encoder, drawn, masks: views_of(len(drawn)))
    monkeypatch.setattr(benchmark, "reconstruct", reconstruct)
    monkeypatch.setattr(benchmark, "register", register)
    return asked


def test_every_view_is_registered_once_to_other_instances(cows: list[tuple[list[int], list[int]]]) -> None:
    report = run(Path("cows"), Settings(("cow",)))
    found = {measure.name: measure.value for measure in report.measures}
    assert found["cow: rotation error, median °"] == pytest.approx(0, abs=1e-3)
    assert found["cow: < 30°"] == pytest.approx(1 - 1 / COUNT)
    assert found["ms a view, features at hand"] >= 0
    assert sorted(view for _, held in cows for view in held) == list(range(COUNT))
    for built, held in cows:
        assert not {view % 4 for view in built} & {view % 4 for view in held}
        assert len(built) + len(held) == COUNT


def test_one_instance_is_too_few(cows: list[tuple[list[int], list[int]]]) -> None:
    with pytest.raises(SourceError, match="needs two"):
        run(Path("cows"), Settings(("boat",)))
