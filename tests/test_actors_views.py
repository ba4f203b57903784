from __future__ import annotations

import numpy as np

from actors.views import make_views
from recon import reconstruct
from tests.recon_scene import SMALL, make_scene

SCENE = make_scene(12).views


class Encoder:
    """Gives the scene's features; guesses that a crop is seen from where its first feature says, or nothing."""

    def __init__(self, guesses: bool) -> None:
        self.guesses = guesses
        self.calls = 0

    def patches(self, crops: np.ndarray) -> np.ndarray:
        self.calls += 1
        wanted = SCENE.crops if self.calls == 1 else SCENE.crops[:, :, ::-1]
        assert np.array_equal(crops, wanted)
        return SCENE.features if self.calls == 1 else SCENE.flipped_features

    def viewpoints(
        self, features: np.ndarray, mirrored: np.ndarray, masks: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray] | None:
        assert features is SCENE.features and mirrored is SCENE.flipped_features and masks is SCENE.masks
        odds = np.arange(len(masks), dtype=np.float32)[:, None] * np.ones((1, 24), np.float32)
        return (odds, np.full(len(masks), 20, np.float32)) if self.guesses else None


def test_views_carry_both_features_and_the_guesses() -> None:
    views = make_views(Encoder(True), SCENE.ids, SCENE.crops, SCENE.masks)  # type: ignore[arg-type]
    assert views.features is SCENE.features and views.flipped_features is SCENE.flipped_features
    assert views.viewpoints is not None and views.viewpoints.azimuth.shape == (12, 24)
    some = views.take(np.array([3, 1]))
    assert some.viewpoints is not None and some.viewpoints.azimuth[:, 0].tolist() == [3, 1]


def test_a_backbone_without_guesses_leaves_them_out() -> None:
    views = make_views(Encoder(False), SCENE.ids, SCENE.crops, SCENE.masks)  # type: ignore[arg-type]
    assert views.viewpoints is None and views.take(np.array([0])).viewpoints is None
    assert reconstruct(views.take(np.arange(4)), SMALL).verdict == "too_few_views"
