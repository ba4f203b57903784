from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from index import intake as module
from index import store as store_module
from index.clustering import make_clusterer
from index.ingest import Ingest, IngestConfig
from index.library import Library, open_library
from index.stream.batch import Batch
from ops.errors import FingerprintError, RejectError, StateError, StorageError
from ops.faults import Fault, Plan, arm, fired
from ops.fsck import check_state
from tests.batches import batch, open_ingest, sample, stream, view
from tests.disk import fill, tiny_disk
from tests.old_store import contents


def partition(folder: Path) -> dict[str, int | None]:
    library = open_library(folder)
    found = {f"{i.shard}/{i.key}": i.cluster for i in library.images(limit=1000).items}
    library.close()
    return found


def feed(folder: Path, batches: list[Batch], clusterer: str = "linkage") -> None:
    ingest = open_ingest(folder, clusterer)
    for one in batches:
        ingest.commit(one)
    ingest.close()


def consistent(library: Library) -> None:
    """Every image is in exactly one place, and all sums agree."""
    status = library.status()
    images = library.images(limit=1000).items
    assert len(images) == len({(i.shard, i.key) for i in images}) == status.images
    clusters = library.clusters(limit=1000).items
    for cluster in clusters:
        members = library.members(cluster.id, limit=1000).items
        assert len(members) == cluster.size == sum(i.cluster == cluster.id for i in images)
    assert status.outliers == sum(i.cluster is None for i in images)
    assert len(list(library.vectors())) == status.images


def test_who_opens_a_state_again_tells_what_the_last_commit_told(tmp_path: Path) -> None:
    ingest = open_ingest(tmp_path)
    empty = ingest.opened()
    assert (empty.status.images, empty.index_vectors, empty.index_recall) == (0, 0, 1.0)
    report = [ingest.commit(one) for one in stream("a", 80, 16)][-1]
    ingest.close()
    ingest = open_ingest(tmp_path)
    opened = ingest.opened()
    ingest.close()
    assert (opened.status.images, opened.index_vectors, opened.index_recall) == (80, 80, 1.0)
    # What arrays have in reserve depends on how they grew.
    assert 0 < report.clusterer_bytes / 2 < opened.clusterer_bytes < 2 * report.clusterer_bytes
    assert (opened.index_bytes, opened.figures) == (report.index_bytes, report.figures) and report.index_bytes > 0
    assert opened.store.used >= report.store.used > 0 and opened.store.limit == report.store.limit


def test_a_shard_is_stored_clustered_and_counted(tmp_path: Path) -> None:
    ingest = open_ingest(tmp_path)
    reports = [ingest.commit(one) for one in stream("a", 80, 16)]
    ingest.close()
    assert sum(r.stored for r in reports) == 80 and reports[-1].total_images == 80
    assert reports[-1].cursor == 80 and reports[-1].index_vectors == 80
    library = open_library(tmp_path)
    consistent(library)
    assert [s.done for s in library.shards(limit=1000).items] == [True]
    assert reports[-1].clusters == library.status().clusters >= 2
    library.close()


def test_rejects_are_kept_under_their_reason_and_move_the_cursor(tmp_path: Path) -> None:
    ingest = open_ingest(tmp_path)
    samples = [sample(0), sample(1, reject=RejectError("too_small", "1 x 1 pixels")), sample(2, key="k0")]
    report = ingest.commit(batch("a", samples, last=True))
    assert (report.stored, report.rejects, report.cursor) == (1, {"too_small": 1, "duplicate_key": 1}, 3)
    ingest.close()
    library = open_library(tmp_path)
    assert library.status().rejects_by_reason == {"too_small": 1, "duplicate_key": 1}
    assert [(r.key, r.reason) for r in library.rejects(reason="too_small").items] == [("k1", "too_small")]
    library.close()


def test_a_batch_committed_twice_changes_nothing(tmp_path: Path) -> None:
    batches = stream("a", 48, 16)
    ingest = open_ingest(tmp_path)
    for one in batches:
        ingest.commit(one)
    before = ingest.commit(batches[-1])
    assert before.stored == 0 and before.total_images == 48 and before.index_vectors == 48
    assert ingest.commit(batches[0]).cursor == 48
    ingest.close()
    library = open_library(tmp_path)
    consistent(library)
    library.close()


def test_a_gap_is_refused(tmp_path: Path) -> None:
    ingest = open_ingest(tmp_path)
    with pytest.raises(StateError, match="starts at 16"):
        ingest.commit(stream("a", 48, 16)[1])
    ingest.close()


@pytest.mark.parametrize("clusterer", ["linkage", "dbstream"])
def test_a_restart_after_any_batch_ends_as_an_uninterrupted_run(tmp_path: Path, clusterer: str) -> None:
    batches = stream("a", 160, 16) + stream("b", 80, 16, seed=500)
    feed(tmp_path / "whole", batches, clusterer)
    for one in batches:
        feed(tmp_path / "parts", [one], clusterer)
    assert partition(tmp_path / "whole") == partition(tmp_path / "parts")
    assert len(partition(tmp_path / "whole")) == 240


def test_the_end_of_a_stream_groups_what_came_since_the_last_repair(tmp_path: Path) -> None:
    novel = [replace(sample(i, 5000 + i), views=(view(5 + 40 * i, centres=40),)) for i in range(12)]
    feed(tmp_path, [*stream("a", 160, 16), batch("new", novel)])
    before = partition(tmp_path)
    ingest = open_ingest(tmp_path)
    report = ingest.settle()
    again = ingest.settle()
    ingest.close()
    after = partition(tmp_path)
    new = [f"new/{one.key}" for one in novel]
    assert {before[key] for key in new} < {*before.values()}, "taken in by a cluster that was known"
    assert len({after[key] for key in new}) == 1 and not {after[key] for key in new} & {*before.values()}
    assert {key: after[key] for key in after.keys() - new} == {key: before[key] for key in before.keys() - new}
    assert report.lineage == {"split": 1} and report.total_images == 172
    assert again.lineage == {} and again.clusters == report.clusters == 5
    library = open_library(tmp_path)
    consistent(library)
    library.close()
    assert check_state(tmp_path).clean


def test_a_clusterer_restored_by_replay_keeps_its_partition_at_the_end(tmp_path: Path) -> None:
    feed(tmp_path, stream("a", 100, 16), "dbstream")
    before = partition(tmp_path)
    ingest = open_ingest(tmp_path, "dbstream")
    assert ingest.settle().lineage == {}
    ingest.close()
    assert partition(tmp_path) == before


def test_a_failed_transaction_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = stream("a", 96, 16)
    feed(tmp_path / "whole", batches)
    ingest = open_ingest(tmp_path / "broken")
    for one in batches[:3]:
        ingest.commit(one)
    with monkeypatch.context() as patch:
        fired = []
        patch.setattr(module, "encode_mask", lambda mask: fired.append(1) or (_ for _ in ()).throw(OSError("full")))
        with pytest.raises(OSError, match="full"):
            ingest.commit(batches[3])
        assert fired
    for one in batches[3:]:
        ingest.commit(one)
    ingest.close()
    assert partition(tmp_path / "whole") == partition(tmp_path / "broken")


def test_a_map_that_has_to_grow_changes_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = stream("a", 160, 16)
    feed(tmp_path / "whole", batches)
    monkeypatch.setattr(store_module, "_START_BYTES", 2**18)
    ingest = open_ingest(tmp_path / "small")
    sizes = [ingest.commit(one).store.map for one in batches]
    ingest.close()
    assert sizes[0] < sizes[-1] and sizes == sorted(sizes)
    assert partition(tmp_path / "whole") == partition(tmp_path / "small")


def test_a_full_disk_stops_it_and_costs_nothing(tmp_path: Path) -> None:
    batches = stream("a", 160, 16)
    feed(tmp_path / "whole", batches)
    with tiny_disk(tmp_path / "disk", 16) as disk:
        ingest = open_ingest(disk, index_every=1)
        ingest.commit(batches[0])
        for one in batches[1:]:
            ballast = fill(disk)
            with pytest.raises(StorageError, match="no space left"):
                ingest.commit(one)
            ballast.unlink()
            assert ingest.commit(one).stored == 16
        ingest.close()
        assert not list(disk.glob("*.tmp"))
        assert partition(tmp_path / "whole") == partition(disk)


def test_an_index_that_cannot_be_saved_holds_up_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    batches = stream("a", 64, 16)
    ingest = open_ingest(tmp_path, index_every=2)
    with monkeypatch.context() as patch:
        patch.setattr("index.faissfile.os.fsync", full)
        assert [ingest.commit(one).index_saved for one in batches[:2]] == [True, False]
        ingest.close()
    assert not list(tmp_path.glob("vectors.faiss*"))
    ingest = open_ingest(tmp_path, index_every=2)
    assert [ingest.commit(one).index_saved for one in batches[2:]] == [True, True]
    assert ingest.commit(batches[0]).index_vectors == 64
    assert (tmp_path / "vectors.faiss").exists()
    ingest.close()


def test_a_torn_shard_is_read_on_from_the_damage(tmp_path: Path) -> None:
    ingest = open_ingest(tmp_path)
    torn = [sample(0), sample(1, reject=RejectError("truncated_tar", "ends early"))]
    report = ingest.commit(batch("a", torn, last=True))
    assert (report.stored, report.cursor) == (1, 1)
    assert ingest.commit(batch("a", [sample(1), sample(2)], last=True)).total_images == 3
    ingest.close()


def test_damage_that_is_committed_again_is_recorded_once(tmp_path: Path) -> None:
    """The acknowledgement of a shard's last batch was lost: the same comes again."""
    ingest = open_ingest(tmp_path)
    torn = batch("a", [sample(0), sample(1, reject=RejectError("truncated_tar", "ends early"))], last=True)
    for _ in range(3):
        assert ingest.commit(torn).total_rejected == 1
    ingest.close()


@pytest.mark.parametrize("point", ["faiss.before", "faiss.after", "commit.after"])
def test_an_index_that_missed_a_batch_catches_up(tmp_path: Path, point: str) -> None:
    batches = stream("a", 64, 16)
    ingest = open_ingest(tmp_path / "state", index_every=1)
    ingest.commit(batches[0])
    arm(Plan(str(tmp_path / "fired"), (Fault(point, "memory_error"),)))
    try:
        with pytest.raises(MemoryError):
            ingest.commit(batches[1])
    finally:
        arm(None)
    assert len(fired(tmp_path / "fired")) == 1
    assert ingest.commit(batches[1]).index_vectors == 32
    for one in batches[2:]:
        ingest.commit(one)
    ingest.close()
    assert check_state(tmp_path / "state").findings == []


def test_an_unreadable_shard_is_recorded_once(tmp_path: Path) -> None:
    ingest = open_ingest(tmp_path)
    for _ in range(2):
        ingest.reject_shard("pipe:x", RejectError("forbidden_url", "no"))
    ingest.close()
    library = open_library(tmp_path)
    assert [(r.shard, r.reason) for r in library.rejects().items] == [("pipe:x", "forbidden_url")]
    library.close()


@pytest.mark.parametrize("damage", ["missing", "garbage", "stale"])
def test_the_index_is_rebuilt_from_the_store(tmp_path: Path, damage: str) -> None:
    batches = stream("a", 64, 16)
    feed(tmp_path, batches[:2])
    stale = (tmp_path / "vectors.faiss").read_bytes()
    feed(tmp_path, batches[2:])
    file = tmp_path / "vectors.faiss"
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(stale if damage == "stale" else b"garbage" * 100)
    ingest = open_ingest(tmp_path)
    assert ingest.commit(batches[-1]).index_vectors == 64
    ingest.close()


def test_what_a_killed_save_left_is_removed(tmp_path: Path) -> None:
    left = tmp_path / "vectors.faissab12.tmp"
    left.write_bytes(b"half an index")
    feed(tmp_path, stream("a", 16, 16))
    assert not left.exists() and (tmp_path / "vectors.faiss").exists()


def test_a_library_that_is_repaired_by_regions_keeps_its_sums_in_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Restarts, with the file of rows, without it and with an old one, leave what a run in one go does."""
    monkeypatch.setattr("index.partition.make_clusterer", lambda name, **params: make_clusterer(name, whole=60))
    batches, file = stream("a", 480, 16), tmp_path / "half" / "micros.faiss"
    feed(tmp_path / "whole", batches)
    for begin, step in ((0, 12), (12, 4), (16, 8), (24, 6)):
        feed(tmp_path / "half", batches[begin : begin + step])
        if begin == 0:
            old = file.read_bytes()
        if begin == 12:
            file.unlink()
        if begin == 16:
            file.write_bytes(old)
    assert partition(tmp_path / "half") == partition(tmp_path / "whole")
    found, wanted = (contents(tmp_path / name) for name in ("half", "whole"))
    for table in ("micros", "micro_sums", "clusterer", "cluster_micros"):
        assert found[table] == wanted[table], table
    assert b"cell_leaves" in found["clusterer"] and found["micro_sums"]
    assert check_state(tmp_path / "half").findings == []


def test_another_backbone_is_refused(tmp_path: Path) -> None:
    open_ingest(tmp_path).close()
    with pytest.raises(FingerprintError):
        Ingest(tmp_path, "other", "0" * 8, 16, IngestConfig(map_size_gib=0.25))


def test_stored_pixels_come_back(tmp_path: Path) -> None:
    feed(tmp_path, [batch("a", [sample(5)], start=0)])
    library = open_library(tmp_path)
    (given,) = sample(5).views
    assert np.array_equal(library.mask(0), given.mask)
    assert np.abs(library.crop(0).astype(int) - given.crop).max() <= 3
    (_, vector), *_ = library.vectors()
    assert np.allclose(vector, given.descriptor, atol=1e-3)
    library.close()
