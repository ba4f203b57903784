"""The benchmark of near-copies counts what it says, on procedural photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from index.views import CROP_SIZE, ObjectView
from ops.bench import copies
from ops.errors import ConfigError
from ops.synth.shards import write_shards


class Encoder:
    """Describes every picture alike."""

    def embed(self, images: list[NDArray[np.uint8]]) -> list[ObjectView]:
        nothing = np.zeros((CROP_SIZE, CROP_SIZE, 3), np.uint8)
        return [
            ObjectView(np.eye(4, dtype=np.float32)[0], nothing, nothing[..., 0] == 0, (0, 0, 9, 9), (9, 9), 0.5)
            for _ in images
        ]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(copies, "load_backbone", lambda name: Encoder())
    write_shards(tmp_path, shapes=2, views=6, size=96)
    return tmp_path


def test_what_is_seen_through_is_told_beside_the_baselines(data: Path) -> None:
    report = copies.run([data], copies.Settings(photos=12, images=300), lambda text: None)
    found = {measure.name: measure for measure in report.measures}
    smaller = found["recognised, without colours"]
    assert smaller.value == 1 and set(smaller.baselines.values()) == {1}
    mirrored = found["recognised, mirrored"]
    assert mirrored.value == 0 and sorted(mirrored.baselines.values()) == [0, 1]
    assert found[f"{data.name}: photos taken for copies"].value == 0
    assert found["ms of a lookup among 300"].value > 0
    assert report.facts["photos"] == 12


def test_too_few_photos_are_an_error(data: Path) -> None:
    with pytest.raises(ConfigError, match="has 12 photos, 60 are wanted"):
        copies.run([data], copies.Settings(), lambda text: None)
