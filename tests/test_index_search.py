"""Similarity search: grouping by cluster, ranking, catching up with a growing library."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from index.cache import VectorCache
from index.codec import encode_vector
from index.kinds import Sizes
from index.library import open_library
from index.records import DeletedRecord, MicroRecord
from index.search import SimilaritySearch
from index.store import Store
from index.tables import DELETED, MICRO_SAMPLES, MICROS, SAMPLES, VECTORS
from ops.errors import ConfigError
from tests.library_factory import FINGERPRINT, Plan, direction, make_library


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_library(tmp_path)


def test_the_own_cluster_comes_first_with_all_its_votes(folder: Path) -> None:
    hits = SimilaritySearch(open_library(folder)).query(direction(2), k=4)
    assert (hits[0].cluster, hits[0].votes, hits[0].size, hits[0].version) == (2, 4, 4, 1)
    assert hits[0].score > 0.95
    assert 6 <= hits[0].nearest_image < 10


def test_hits_are_ranked_by_score_and_outliers_are_skipped(folder: Path) -> None:
    hits = SimilaritySearch(open_library(folder)).query(direction(1), k=50)
    assert {hit.cluster for hit in hits} == {1, 2, 3}
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert sum(hit.votes for hit in hits) == 12


def test_images_of_outliers_find_no_cluster(folder: Path) -> None:
    assert SimilaritySearch(open_library(folder)).query(direction(0), k=2) == []


def test_new_images_are_found_without_reopening(folder: Path) -> None:
    library = open_library(folder)
    search = SimilaritySearch(library)
    before = search.query(direction(7), k=1)
    assert before[0].score < 0.5 if before else True
    library.close()  # one process may hold an environment only once, so the writer takes its turn
    _add_image(folder, sample=14, cluster=3)
    search._library = open_library(folder)
    hit = search.query(direction(7), k=1)[0]
    assert (hit.cluster, hit.nearest_image) == (3, 14)
    assert hit.score == pytest.approx(1.0, abs=1e-3)


def test_an_image_that_moved_counts_for_its_new_cluster(folder: Path) -> None:
    library = open_library(folder)
    search = SimilaritySearch(library)
    assert search.query(direction(2), k=4)[0].cluster == 2
    library.close()
    store = Store(folder, readonly=False, map_size_gib=0.1)
    with store.write() as txn:
        txn.put(MICROS, 2, MicroRecord(2, 1, 1))
    store.close()
    search._library = open_library(folder)
    assert search.query(direction(2), k=4)[0].cluster == 1


def test_an_empty_library_has_no_hits(tmp_path: Path) -> None:
    folder = make_library(tmp_path, Plan(sizes=(), versions=(), outliers=0))
    assert SimilaritySearch(open_library(folder)).query(direction(1)) == []


def test_a_descriptor_of_another_length_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match="8 numbers, not 5"):
        SimilaritySearch(open_library(folder)).query(np.ones(5, np.float32))


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A library large enough to be kept by the components of its descriptors, in few lists."""
    monkeypatch.setattr("index.search._EXACT", 150)
    return make_library(tmp_path, Plan(sizes=(70, 50, 40), versions=(2, 1, 0), dim=200))


def test_a_large_library_is_kept_compactly_and_ranked_by_whole_descriptors(large: Path) -> None:
    library = open_library(large)
    search = SimilaritySearch(library)
    vectors = dict(library.vectors())
    wanted = vectors[75]
    hits = search.query(wanted, k=60)
    assert search._index is not None and search._index.kind == "sq" and len(search) == 162
    assert (hits[0].cluster, hits[0].nearest_image, hits[0].votes) == (2, 75, 50)
    assert hits[0].score == pytest.approx(float(wanted @ wanted), abs=1e-5)
    exact = sorted((float(vector @ wanted) for vector in vectors.values()), reverse=True)
    assert hits[1].score == pytest.approx(exact[50], abs=1e-3)


def test_a_large_library_is_kept_up_to_date(large: Path) -> None:
    library = open_library(large)
    search = SimilaritySearch(library)
    search.query(direction(1, 200), k=1)
    library.close()
    store = Store(large, readonly=False, map_size_gib=0.1)
    with store.write() as txn:
        record = txn.get(SAMPLES, 130)
        assert record is not None and record.micro == 3
        txn.put(SAMPLES, 162, record)
        txn.put(VECTORS, 162, encode_vector(direction(7, 200)))
        txn.delete(VECTORS, 75)
        txn.put(DELETED, 75, DeletedRecord("/crawl/0.tar", 75, 0.0))
    store.close()
    search._library = open_library(large)
    assert search.query(direction(7, 200), k=1)[0].nearest_image == 162
    assert len(search) == 162 and sum(hit.votes for hit in search.query(direction(2, 200), k=50)) == 50
    assert 75 not in [hit.nearest_image for hit in search.query(direction(2, 200), k=162)]


def test_components_are_learnt_anew_once_the_library_has_outgrown_them(
    large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("index.search._OUTGROWN", 1)
    monkeypatch.setattr("index.search._STEP", 50)
    search = SimilaritySearch(open_library(large))
    answer = search.query(direction(1, 200), k=5)
    first, queries = search._index, 1
    while search._index is first:
        assert search.query(direction(1, 200), k=5) == answer  # no query waits for more than a step
        queries += 1
    assert 5 < queries < 60 and len(search) == 162
    assert search.query(direction(2, 200), k=3)[0].cluster == 2


def test_an_index_that_the_writer_saved_is_taken_over(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(large, readonly=True)
    VectorCache(large, FINGERPRINT, 200, store, Sizes(ivf=10, sq=100)).save()
    store.close()
    monkeypatch.setattr("index.search.Regrowth", None)  # none is made
    library = open_library(large)
    search = SimilaritySearch(library)
    wanted = dict(library.vectors())[75]
    assert search.query(wanted, k=3)[0].nearest_image == 75 and len(search) == 162
    search._index.trained = 10  # type: ignore[union-attr]  # as if the library had grown since
    assert search.query(wanted, k=3)[0].nearest_image == 75
    assert search._index.trained == 162 == len(search)  # type: ignore[union-attr]


def _add_image(folder: Path, sample: int, cluster: int) -> None:
    store = Store(folder, readonly=False, map_size_gib=0.1)
    with store.write() as txn:
        record = txn.get(SAMPLES, 10)
        assert record is not None and record.micro == cluster
        txn.put(SAMPLES, sample, record)
        txn.put(MICRO_SAMPLES, (cluster, sample), b"")
        txn.put(VECTORS, sample, encode_vector(direction(7)))
    store.close()
