from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np

from actors.keypoints import keypoints_file
from actors.trial import Trial
from index.jobs import KEYPOINTS
from index.keypoints import KeypointsRecord
from recon import Reconstruction
from recon.camera import select_cameras
from tests.recon_scene import Scene, make_scene, true_cameras, true_result

SCENE = make_scene(12, seed=3, noise=0.1)


def part(scene: Scene, rows: list[int]) -> Reconstruction:
    """A flawless reconstruction that was shown some of the views."""
    whole = true_result(scene)
    assert whole.shape is not None
    shape = replace(whole.shape, cameras=select_cameras(whole.shape.cameras, np.array(rows)))
    return replace(whole, ids=scene.views.ids[rows], shape=shape)


def read(files: dict[str, bytes]) -> KeypointsRecord:
    return msgspec.json.decode(files[KEYPOINTS], type=KeypointsRecord)


def test_images_that_judged_have_keypoints_too() -> None:
    judges = [1, 5, 8]
    shown = [row for row in range(12) if row not in judges]
    trial = Trial(3, 0.1, 0.2, select_cameras(true_cameras(SCENE), np.array(judges)))
    found = read(keypoints_file(SCENE.views, part(SCENE, shown), trial, "cpu"))
    assert [sight.sample for sight in found.sights] == SCENE.views.ids[shown + judges].tolist()
    whole = read(keypoints_file(SCENE.views, part(SCENE, list(range(12))), None, "cpu"))
    places = {sight.sample: np.array(sight.places) for sight in whole.sights}
    for sight in found.sights:  # the same cameras, so very nearly the same keypoints
        assert np.array(sight.places).shape == places[sight.sample].shape == (24, 2)
    assert np.allclose(np.sort(found.points, 0), np.sort(whole.points, 0), atol=0.15)


def test_only_shown_images_without_a_trial() -> None:
    found = read(keypoints_file(SCENE.views, part(SCENE, list(range(8))), None, "cpu"))
    assert [sight.sample for sight in found.sights] == SCENE.views.ids[:8].tolist()
    assert all(0 <= end < 24 for edge in found.edges for end in edge)


def test_strangers_alone_have_none() -> None:
    found = part(SCENE, list(range(12)))
    assert found.shape is not None
    cameras = replace(found.shape.cameras, weight=np.zeros(12, np.float32))
    alone = replace(found, shape=replace(found.shape, cameras=cameras))
    assert keypoints_file(SCENE.views.take(np.arange(12)), alone, None, "cpu") == {}
