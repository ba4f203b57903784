from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ops.errors import SourceError
from ops.train.photos import PhotoBackdrop, read_photos
from tests.tars import write_shard


def test_photos_come_out_of_shards(tmp_path: Path) -> None:
    write_shard(tmp_path / "0.tar", ["a", "b"])
    photos = read_photos([str(tmp_path / "*.tar")])
    assert [photo.shape for photo in photos] == [(48, 64, 3)] * 2


def test_shards_without_a_photo_are_refused(tmp_path: Path) -> None:
    write_shard(tmp_path / "0.tar", [])
    with pytest.raises(SourceError, match="no photo"):
        read_photos([str(tmp_path / "0.tar")])


def test_backdrops_are_drawn_blurred_and_sharp() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    backdrop, rng = PhotoBackdrop([noise]), np.random.default_rng(1)
    drawn = [backdrop(rng, 48) for _ in range(60)]
    assert {name for name, _ in drawn} == {"plain", "blurred", "clutter"}
    assert all(picture.shape == (48, 48, 3) and 0 <= picture.min() <= picture.max() <= 1 for _, picture in drawn)
    contrast = {name: max(p.std() for n, p in drawn if n == name) for name in ("blurred", "clutter")}
    assert contrast["clutter"] > 0.2
