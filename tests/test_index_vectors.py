"""The FAISS index and its file."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from index.kinds import Kind, trained
from index.vectors import VectorIndex
from ops.errors import StateError
from ops.faults import Fault, Plan, arm, fired

KINDS: tuple[Kind, ...] = ("flat", "ivf", "sq")


def unit(n: int, dim: int = 16, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def empty(kind: Kind, sample: np.ndarray) -> VectorIndex:
    """An index of a type, trained with a sample."""
    return VectorIndex(sample.shape[1], kind, len(sample), trained(kind, sample, len(sample)))


@pytest.fixture(params=KINDS)
def index(request: pytest.FixtureRequest) -> VectorIndex:
    """50 vectors under the ids from 10 on; of few lists all are gone through."""
    index = empty(request.param, unit(50))
    index.add(np.arange(10, 60), unit(50))
    return index


@pytest.fixture
def saved(index: VectorIndex, tmp_path: Path) -> Path:
    path = tmp_path / "vectors.faiss"
    index.save(path, fingerprint="abc")
    return path


def test_search_finds_the_nearest_by_inner_product(index: VectorIndex) -> None:
    queries = unit(5, seed=1)
    scores, ids = index.search(queries, 7)
    exact = queries @ unit(50).T
    if index.exact:
        assert np.array_equal(ids, np.argsort(-exact, axis=1)[:, :7] + 10)
    assert np.array_equal(ids[:, 0], exact.argmax(axis=1) + 10)
    assert np.allclose(scores, -np.sort(-exact, axis=1)[:, :7], atol=1e-6 if index.exact else 0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_of_many_it_finds_the_true_neighbours(kind: Kind) -> None:
    random = np.random.default_rng(1)
    vectors = np.eye(40, 96)[random.integers(0, 40, 3000)] + random.normal(size=(3000, 96)) / (2 + np.arange(96))
    stored = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    index = empty(kind, stored[::2])
    for begin in range(0, 3000, 700):
        index.add(np.arange(begin, min(begin + 700, 3000)), stored[begin : begin + 700])
    queries = stored[:100]
    found = index.search(queries, 10 if index.exact else 30)[1]
    wanted = np.argsort(-(queries @ stored.T), axis=1)[:, :10]
    recall = np.mean([len(np.intersect1d(one, other)) / 10 for one, other in zip(wanted, found, strict=True)])
    assert recall == 1 if kind == "flat" else recall > 0.95
    assert index.size_bytes() == 3000 * (8 + (64 if kind == "sq" else 4 * 96))


@pytest.mark.parametrize("kind", ["ivf", "sq"])
def test_what_lies_elsewhere_than_the_sample_fits_badly(kind: Kind) -> None:
    def around(axis: int) -> np.ndarray:
        rows = unit(400, seed=axis) + 3 * np.eye(16, dtype=np.float32)[axis]
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    index = empty(kind, around(0))
    near, far = (index.add(400 * turn + np.arange(400), around(axis)) for turn, axis in enumerate((0, 5)))
    assert far > 2 * near > 0
    assert VectorIndex(16).add(np.arange(3), unit(3)) == 0 == index.add(np.zeros(0, np.int64), unit(0))


@pytest.mark.parametrize("kind", KINDS)
def test_vectors_are_added_as_faiss_would_add_them(kind: Kind) -> None:
    index, ids = empty(kind, unit(500)), np.random.default_rng(2).permutation(500)
    theirs = trained(kind, unit(500), 500)
    for part in np.array_split(ids, 7):
        index.add(part, unit(500)[part])
        theirs.add_with_ids(unit(500)[part], part)
    assert index._index.ntotal == theirs.ntotal == 500
    ours, wanted = (each.search(unit(9, seed=4), 5) for each in (index._index, theirs))
    assert np.array_equal(ours[0], wanted[0]) and np.array_equal(ours[1], wanted[1])


def test_where_there_are_too_few_ids_are_minus_one(index: VectorIndex) -> None:
    scores, ids = index.search(unit(1), 60)
    assert len(index) == 50
    assert (ids[0, 50:] == -1).all() and np.isneginf(scores[0, 50:]).all() and (ids[0, :50] >= 10).all()
    assert VectorIndex(4).search(np.ones((1, 4), np.float32), 2)[1].tolist() == [[-1, -1]]


def test_removed_vectors_are_not_found(index: VectorIndex) -> None:
    assert index.remove(np.array([12, 13, 999])) == 2
    assert len(index) == 48 and 12 not in index and index.last_id == 59
    assert not {12, 13} & set(index.search(unit(50)[2:4], 48)[1].ravel().tolist())
    index.add(np.array([12]), unit(50)[2:3])
    assert index.search(unit(50)[2:3], 1)[1].tolist() == [[12]]


@pytest.mark.parametrize(("ids", "dim"), [([60, 60], 16), ([60, 20], 16), ([60, -1], 16), ([60, 61], 15), ([60], 16)])
def test_wrong_additions_are_refused_and_leave_no_trace(index: VectorIndex, ids: list[int], dim: int) -> None:
    with pytest.raises(StateError):
        index.add(np.array(ids), unit(2, dim))
    assert len(index) == 50 and index.last_id == 59


def test_wrong_queries_are_refused(index: VectorIndex) -> None:
    with pytest.raises(StateError):
        index.search(unit(1, 15), 1)


def test_file_brings_everything_back(index: VectorIndex, saved: Path) -> None:
    loaded = VectorIndex.load(saved, fingerprint="abc", count=50, last_id=59)
    assert (len(loaded), loaded.dim, loaded.last_id, 15 in loaded, 60 in loaded) == (50, 16, 59, True, False)
    assert (loaded.kind, loaded.trained, loaded.exact) == (index.kind, index.trained, index.exact)
    for mine, theirs in zip(index.search(unit(3, seed=2), 5), loaded.search(unit(3, seed=2), 5), strict=True):
        assert np.array_equal(mine, theirs)
    loaded.add(np.array([60]), unit(1, seed=3))
    with pytest.raises(StateError):
        loaded.add(np.array([15]), unit(1))
    assert list(saved.parent.iterdir()) == [saved]


def test_file_that_cannot_be_trusted_is_refused(saved: Path) -> None:
    with pytest.raises(StateError, match="no vector index"):
        VectorIndex.load(saved.with_name("none"), fingerprint="abc")
    with pytest.raises(StateError, match="another backbone"):
        VectorIndex.load(saved, fingerprint="xyz")
    with pytest.raises(StateError, match="stale"):
        VectorIndex.load(saved, fingerprint="abc", count=51)
    with pytest.raises(StateError, match="stale"):
        VectorIndex.load(saved, fingerprint="abc", last_id=60)
    others = [kind for kind in KINDS if kind != VectorIndex.load(saved, fingerprint="abc").kind]
    with pytest.raises(StateError, match="of type"):
        VectorIndex.load(saved, fingerprint="abc", kind=others[0])


@pytest.mark.parametrize("place", [0, 9, 20, 400, -1])
def test_any_flipped_byte_is_noticed(saved: Path, place: int) -> None:
    raw = bytearray(saved.read_bytes())
    raw[place] ^= 0xFF
    saved.write_bytes(raw)
    with pytest.raises(StateError):
        VectorIndex.load(saved, fingerprint="abc")


@pytest.mark.parametrize("length", [0, 5, 10, 60, 500])
def test_any_truncation_is_noticed(saved: Path, length: int) -> None:
    saved.write_bytes(saved.read_bytes()[:length])
    with pytest.raises(StateError, match="damaged"):
        VectorIndex.load(saved, fingerprint="abc")


def test_failed_save_keeps_the_old_file(index: VectorIndex, saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = saved.read_bytes()
    fired = []

    def broken(*_: object) -> None:
        fired.append(True)
        raise OSError(28, "No space left on device")

    index.add(np.array([70]), unit(1, seed=4))
    monkeypatch.setattr("os.replace", broken)
    with pytest.raises(StateError, match="No space left"):
        index.save(saved, fingerprint="abc")
    assert fired and saved.read_bytes() == before and list(saved.parent.iterdir()) == [saved]


@pytest.mark.parametrize("point", ["index.write", "index.rename"])
def test_a_fault_while_it_is_saved_keeps_the_old_file(index: VectorIndex, saved: Path, point: str) -> None:
    before, log = saved.read_bytes(), saved.with_name("fired")
    index.remove(np.array([15]))
    arm(Plan(str(log), (Fault(point, "os_error"),)))
    try:
        with pytest.raises(StateError):
            index.save(saved, fingerprint="abc")
    finally:
        arm(None)
    assert len(fired(log)) == 1 and saved.read_bytes() == before
    assert sorted(path.name for path in saved.parent.iterdir()) == ["fired", "vectors.faiss"]
    index.save(saved, fingerprint="abc")
    assert len(VectorIndex.load(saved, fingerprint="abc")) == 49


@pytest.mark.parametrize("point", ["index.write", "index.rename"])
def test_a_kill_while_it_is_saved_keeps_the_old_file(index: VectorIndex, saved: Path, point: str) -> None:
    before, log = saved.read_bytes(), saved.with_name("fired")
    index.remove(np.array([15]))
    child = os.fork()
    if not child:
        arm(Plan(str(log), (Fault(point),)))
        index.save(saved, fingerprint="abc")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert len(fired(log)) == 1 and saved.read_bytes() == before
    assert len(VectorIndex.load(saved, fingerprint="abc")) == 50
