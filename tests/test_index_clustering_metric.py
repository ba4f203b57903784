"""The metric that ships, and who may use it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from index.clustering import metric
from index.clustering.metric import load_metric
from index.clustering.online_linkage import OnlineLinkage
from ops.errors import BackboneError
from tests.committed import Disk
from tests.test_index_clustering_base import blobs


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(metric, "METRICS", tmp_path)
    load_metric.cache_clear()
    projection = np.zeros((24, 6), np.float16)
    projection[:6] = np.eye(6) * 4
    save_file({"projection": projection}, tmp_path / "toy.safetensors", {"fingerprint": "abc"})
    yield tmp_path
    load_metric.cache_clear()


def test_a_metric_is_for_one_backbone_of_one_fingerprint(shipped: Path) -> None:
    found = load_metric("toy", "abc")
    assert found is not None and found.projection.shape == (24, 6) and found.projection.dtype == np.float32
    assert load_metric("toy", "abd") is None and load_metric("other", "abc") is None


def test_a_damaged_file_is_said(shipped: Path) -> None:
    (shipped / "toy.safetensors").write_bytes(b"no weights")
    with pytest.raises(BackboneError, match="install the package anew"):
        load_metric("toy", "abc")


def test_a_stream_uses_it_from_its_first_repair_and_goes_on_with_it_after_a_restart(shipped: Path) -> None:
    vectors, _ = blobs()
    learnt, whitened = OnlineLinkage(encoder=("toy", "abc")), OnlineLinkage(encoder=("toy", "abd"))
    for clusterer in (learnt, whitened):
        clusterer.learn_many(vectors)
        clusterer.repair()
    assert learnt.scalars()["rank"] == 6 and whitened.scalars()["rank"] != 6
    disk = Disk()
    disk.commit(learnt)
    again = disk.restored(encoder=("toy", "abc"))
    assert again.scalars() == learnt.scalars() and again.repair() == learnt.repair()


def test_descriptors_of_another_length_are_whitened(shipped: Path) -> None:
    clusterer = OnlineLinkage(encoder=("toy", "abc"))
    clusterer.learn_many(blobs(dim=30)[0])
    assert clusterer.repair() is not None and clusterer.scalars()["rank"] != 6


def test_the_shipped_metric_fits_the_embedded_backbone() -> None:
    from index.backbones.embedded import EmbeddedBackbone

    backbone = EmbeddedBackbone()
    found = load_metric(backbone.name, backbone.fingerprint)
    assert found is not None and len(found.projection) == backbone.dim
