"""The benchmark of objects, with an encoder that takes bright for foreground."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ops.bench import objects as benchmark
from ops.bench.objects import Settings, collage, compose, cut_off, in_picture, run
from ops.errors import ConfigError
from ops.synth.shards import write_shards
from tests.test_index_backbones_base import BrightnessBackbone, square

MASK = np.zeros((60, 80), bool)
MASK[20:50, 10:50] = True
PICTURE = np.where(MASK[..., None], np.uint8(240), np.uint8(30)) * np.ones((1, 1, 3), np.uint8)


def test_objects_are_put_apart_with_their_masks() -> None:
    made = compose([(PICTURE, MASK)], 3, np.random.default_rng(0))
    assert len(made.masks) == 3 and not np.logical_and.reduce(made.masks).any()
    for mask in made.masks:
        assert (made.picture[mask].min(axis=1) >= 120).all()
        height, width = (np.ptp(np.flatnonzero(mask.any(axis=axis))) + 1 for axis in (1, 0))
        assert width / height == pytest.approx(40 / 30, rel=0.05)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_as_much_is_cut_off_as_is_asked_for(share: float) -> None:
    for seed in range(4):
        left = cut_off(PICTURE, MASK, share, np.random.default_rng(seed))
        assert (left > 200).all(axis=2).sum() / MASK.sum() == pytest.approx(1 - share, abs=0.04)


def test_a_collage_has_gutters_if_asked_for() -> None:
    made = collage([PICTURE], 2, 2, 6, np.random.default_rng(0))
    assert made.shape[0] == made.shape[1] and (made[len(made) // 2] == 255).all() and (made[10, :200] < 255).all()


def test_a_mask_lands_where_its_object_is() -> None:
    picture = square((250, 250, 250), corner=40, side=70)
    (view,) = BrightnessBackbone().embed([picture])
    assert not isinstance(view, Exception)
    shown, true = in_picture(view, picture.shape), (picture > 200).all(axis=2)
    assert (shown & true).sum() / (shown | true).sum() > 0.9


def test_every_kind_is_measured_and_nothing_composed_without_masks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark, "load_backbone", lambda name: BrightnessBackbone())
    write_shards(tmp_path / "own", shapes=2, views=6, size=96)
    told: list[str] = []
    report = run([tmp_path / "own"], Settings(photos=2), told.append)
    names = [measure.name.removeprefix("own: ") for measure in report.measures]
    assert len(names) == len(told) == 3 + 4 + 3 + 4
    assert names[0] == "photos as they are, taken for several objects" and "2 objects, found" in names
    (found,) = (measure for measure in report.measures if measure.name.endswith("3 objects, found"))
    assert 0 <= found.value <= 1 and 0 <= found.baselines["main object"] <= 1 / 3
    (tmp_path / "own" / "truth" / "masks.tar").unlink()
    assert len(run([tmp_path / "own"], Settings(photos=2), told.append).measures) == 3
    with pytest.raises(ConfigError, match="12 photos"):
        run([tmp_path / "own"], Settings(photos=13), told.append)
