"""The border of the store: what a broken backbone, or another one, may not bring in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index.library import open_library
from index.stream.batch import Sample
from ops.errors import FingerprintError
from tests.batches import DIM, batch, open_ingest, sample
from tests.stub_stream import StubBackbone, keys, mine
from tests.tars import write_shard


def unit(**changes: Any) -> np.ndarray:
    vector = np.zeros(DIM, np.float32)
    vector[0] = 1
    for place, value in changes.items():
        vector[int(place[1:])] = value
    return vector


def with_view(index: int, **changes: Any) -> Sample:
    one = sample(index)
    return replace(one, views=(replace(one.views[0], **changes),))


BAD_VECTORS: dict[str, np.ndarray] = {
    "NaN": unit(_3=np.nan),
    "infinite": unit(_3=np.inf),
    "both infinities": unit(_3=np.inf, _4=-np.inf),
    "infinite as float16": unit(_3=1e5),
    "zero": np.zeros(DIM, np.float32),
    "zero as float16": unit(_0=1e-9),
    "longer than 1": unit(_0=3.0),
    "too few dimensions": unit()[:-1],
    "too many dimensions": np.append(unit(), 0).astype(np.float32),
    "a matrix": unit()[None],
    "none": np.zeros(0, np.float32),
}


@pytest.mark.parametrize("clusterer", ["linkage", "dbstream"])
@pytest.mark.parametrize("name", BAD_VECTORS)
def test_vectors_that_are_none_are_refused_and_leave_no_trace(tmp_path: Path, name: str, clusterer: str) -> None:
    ingest = open_ingest(tmp_path, clusterer)
    report = ingest.commit(batch("a", [sample(0), with_view(1, descriptor=BAD_VECTORS[name]), sample(2)], last=True))
    assert (report.stored, report.rejects, report.index_vectors) == (2, {"bad_vector": 1}, 2)
    ingest.close()
    library = open_library(tmp_path)
    assert [(r.key, r.reason) for r in library.rejects().items] == [("k1", "bad_vector")]
    assert [i.key for i in library.images().items] == ["k0", "k2"]
    assert all(np.isfinite(vector).all() and vector.shape == (DIM,) for _, vector in library.vectors())
    library.close()


@pytest.mark.parametrize(
    "changes",
    [
        {"crop": np.zeros((8, 8, 3), np.uint8)},
        {"mask": np.zeros((8, 8), bool)},
        {"box": (0.0, float("nan"), 1.0, 1.0)},
        {"foreground": float("inf")},
    ],
)
def test_views_that_could_not_be_read_again_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    ingest = open_ingest(tmp_path)
    assert ingest.commit(batch("a", [with_view(0, **changes), sample(1)])).rejects == {"bad_view": 1}
    ingest.close()


def test_the_same_file_is_stored_once_whatever_its_key_and_shard(tmp_path: Path) -> None:
    ingest = open_ingest(tmp_path)
    twins = [sample(0, seed=7), sample(1, seed=7), sample(2, seed=8)]
    assert ingest.commit(batch("a", twins, last=True)).rejects == {"duplicate_image": 1}
    assert ingest.commit(batch("b", [sample(0, seed=8, key="other")], last=True)).rejects == {"duplicate_image": 1}
    ingest.close()
    assert keys(tmp_path) == ["k0", "k2"]


def test_a_batch_of_another_backbone_is_refused_whole(tmp_path: Path) -> None:
    ingest = open_ingest(tmp_path)
    ingest.commit(batch("a", [sample(0)]))
    for fingerprint in ("0" * 8, ""):
        with pytest.raises(FingerprintError, match="embedded by backbone"):
            ingest.commit(replace(batch("a", [sample(1)]), fingerprint=fingerprint))
    assert ingest.commit(batch("a", [sample(1)])).total_images == 2
    ingest.close()


def test_a_backbone_that_changes_in_mid_stream_ends_the_run_and_leaves_what_was_whole(tmp_path: Path) -> None:
    class Changing(StubBackbone):
        embedded = 0

        def embed_objects(self, images: Any, most: int) -> Any:
            self.embedded += 1
            self.fingerprint = StubBackbone.fingerprint if self.embedded < 3 else "0" * 8
            return super().embed_objects(images, most)

    shard = write_shard(tmp_path / "0.tar", [f"k{i}" for i in range(20)])
    changing = Changing()
    with pytest.raises(FingerprintError):
        mine(tmp_path / "state", shard, count=4, backbone=changing)
    assert changing.embedded == 3
    assert keys(tmp_path / "state") == [f"k{i}" for i in range(8)]
    mine(tmp_path / "state", shard, count=4)
    assert keys(tmp_path / "state") == [f"k{i}" for i in range(20)]
