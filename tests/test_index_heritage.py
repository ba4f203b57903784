"""Shapes outlive the clusters they were made of: a merge hands them on, a split to both sides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from index.clustering import LineageEvent
from index.curation import ClusterDeletion
from index.heritage import starts_of
from index.jobs import FIELD, ReconInput, ReconJob
from index.library import open_library
from index.partition import write_lineage
from index.records import CameraRecord, ClusterRecord, ShapeRecord
from index.schedule import Policy, recon_input
from index.store import Store, Transaction
from index.tables import ARTIFACTS, CAMERAS, CLUSTER_MICROS, CLUSTERS, MICRO_SAMPLES, SHAPES
from index.totals import write_cluster
from ops.fsck import check_state
from ops.fsck.raw import RawState, number
from tests.batches import open_ingest
from tests.states import EAGER, POLICY, restless, shape_of

EVERYTHING = Policy(min_views=1, growth=1.01, max_failures=2, max_images=64)
_TURN = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


@pytest.fixture
def txn(tmp_path: Path) -> Iterator[Transaction]:
    store = Store(tmp_path, readonly=False, map_size_gib=0.1)
    with store.write() as txn:
        yield txn
    store.close()


def put_cluster(txn: Transaction, cluster: int, images: range, fitted: int, version: int = 1) -> None:
    """A cluster whose shape was fitted to the first of its images; version 0 for no shape."""
    record = ClusterRecord(size=len(images), attempted_size=len(images), version=version, attempts=version)
    write_cluster(txn, cluster, record)
    txn.put(CLUSTER_MICROS, (cluster, cluster), b"")
    for image in images:
        txn.put(MICRO_SAMPLES, (cluster, image), b"")
    if version:
        shape = ShapeRecord(
            cluster, version, "published", "shape", "", fitted, 0.3, 1.0, 0.5, 0.5, False, 1.0, size=fitted
        )
        cameras = [CameraRecord(i, _TURN, (0.0, 0.0, 3.0), 40.0, (0.0, 0.0), 0.1, 1.0) for i in images[:fitted]]
        txn.put(SHAPES, (cluster, version), shape)
        txn.put(CAMERAS, (cluster, version), cameras)
        txn.put(ARTIFACTS, (cluster, version, FIELD), b"field of %d" % cluster)


def merge(txn: Transaction, heir: int, other: int) -> None:
    """What the clusterer's regrouping leaves, and its event."""
    for image in [key[1] for key, _ in txn.scan(MICRO_SAMPLES, prefix=other)]:
        txn.put(MICRO_SAMPLES, (heir, image), b"")
    records = [txn.get(CLUSTERS, each) or ClusterRecord() for each in (heir, other)]
    write_cluster(txn, heir, _sized(records[0], records[0].size + records[1].size))
    write_cluster(txn, other, _sized(records[1], 0))
    write_lineage(txn, [LineageEvent("merged", heir, (other,))], 50)


def _sized(record: ClusterRecord, size: int) -> ClusterRecord:
    return msgspec.structs.replace(record, size=size, state="open" if size else "retired")


def given(txn: Transaction, cluster: int) -> ReconInput:
    return recon_input(txn, ReconJob(cluster, 0, 0, 0.0), EVERYTHING)


def test_a_merged_cluster_starts_from_the_larger_parents_field_and_has_the_smallers_as_a_hypothesis(
    txn: Transaction,
) -> None:
    put_cluster(txn, 1, range(0, 30), 20)
    put_cluster(txn, 2, range(30, 45), 10)
    merge(txn, 1, 2)
    found = given(txn, 1)
    assert found.starts == (b"field of 1", b"field of 2") and found.field == b"field of 1"
    # Neither parent's shape was fitted to what judges the merged one.
    assert found.held_out and set(found.held_out) <= {*range(20, 30), *range(40, 45)}


def test_the_larger_parent_is_the_one_whose_shape_was_made_of_more_images(txn: Transaction) -> None:
    put_cluster(txn, 1, range(0, 30), 8)
    put_cluster(txn, 2, range(30, 55), 20)
    merge(txn, 1, 2)
    found = given(txn, 1)
    assert found.starts == (b"field of 2", b"field of 1")
    assert found.field == b"field of 1", "the heir's published version is what has to be beaten"


def test_a_shapeless_heir_starts_from_the_shape_it_took_in(txn: Transaction) -> None:
    put_cluster(txn, 1, range(0, 30), 0, version=0)
    put_cluster(txn, 2, range(30, 45), 10)
    merge(txn, 1, 2)
    found = given(txn, 1)
    assert (found.starts, found.field, found.held_out) == ((b"field of 2",), None, ())


def test_where_the_parents_have_seen_everything_the_others_shape_is_left_out_so_that_something_can_judge(
    txn: Transaction,
) -> None:
    put_cluster(txn, 1, range(0, 30), 30)
    put_cluster(txn, 2, range(30, 45), 15)
    merge(txn, 1, 2)
    found = given(txn, 1)
    assert found.starts == (b"field of 1",) and found.held_out and set(found.held_out) <= set(range(30, 45))


def test_both_sides_of_a_split_start_from_the_parents_field(txn: Transaction) -> None:
    put_cluster(txn, 1, range(0, 20), 30)
    put_cluster(txn, 2, range(20, 32), 0, version=0)
    parent = txn.get(CLUSTERS, 1)
    assert parent is not None
    write_cluster(txn, 1, ClusterRecord(size=20, attempted_size=32, posed=32, version=1, attempts=1))
    write_lineage(txn, [LineageEvent("split", 2, (1,))], 50)
    assert given(txn, 2).starts == (b"field of 1",) and given(txn, 2).field is None
    assert given(txn, 1).starts == (b"field of 1",) and given(txn, 1).field == b"field of 1"
    left = txn.get(CLUSTERS, 1)
    assert left is not None and left.attempted_size == left.posed == 20, "its growth counts from what was left"


def test_shapes_are_handed_on_through_several_events_and_only_the_largest(txn: Transaction) -> None:
    put_cluster(txn, 1, range(0, 30), 0, version=0)
    for cluster, fitted in ((2, 8), (3, 20), (4, 12)):
        put_cluster(txn, cluster, range(100 * cluster, 100 * cluster + 25), fitted)
    merge(txn, 2, 3)
    merge(txn, 2, 4)
    merge(txn, 1, 2)
    record = txn.get(CLUSTERS, 1)
    assert record is not None and record.seeds == ((3, 1), (4, 1))
    assert given(txn, 1).starts == (b"field of 3", b"field of 4")


def test_a_shape_that_was_deleted_is_not_missed(txn: Transaction) -> None:
    put_cluster(txn, 1, range(0, 30), 20)
    put_cluster(txn, 2, range(30, 45), 10)
    merge(txn, 1, 2)
    txn.delete(SHAPES, (2, 1))
    record = txn.get(CLUSTERS, 1)
    assert record is not None and starts_of(txn, 1, record) == [(1, 1)]


def test_the_writer_hands_shapes_down_and_fences_what_was_begun_before(
    tmp_path: Path,
) -> None:
    """Every cluster has a shape; what merges or splits starts from its parents', and stale results do not count."""
    ingest = open_ingest(tmp_path)
    seen: set[str] = set()
    running: dict[int, ReconInput] = {}
    for turn, one in enumerate(restless("/a.tar", 480, 16)):
        ingest.commit(one)
        if turn % 5 != 4:
            continue
        stale = {cluster: ingest.publish(shape_of(begun)).outcome for cluster, begun in running.items()}
        jobs = ingest.due(EVERYTHING).jobs
        for job in jobs:
            found = ingest.recon_input(job, EVERYTHING)
            if found.starts and (len(found.starts) > 1 or found.field is None):
                seen.add("merged" if len(found.starts) > 1 else "split")
                if job.cluster in stale:
                    assert stale[job.cluster] == "stale"
            ingest.publish(replace(shape_of(found, 0.3, 0.4), seconds=float(turn)))
        ingest.commit(restless(f"/{turn}.tar", 16, 16, seed=1000 + turn)[0])
        running = {job.cluster: ingest.recon_input(job, EVERYTHING) for job in ingest.due(EVERYTHING).jobs}
    ingest.close()
    assert "split" in seen or "merged" in seen, seen
    assert check_state(tmp_path).clean
    library = open_library(tmp_path)
    reasons = [v.reason for c in library.clusters(limit=50).items for v in library.versions(c.id)]
    library.close()
    assert any("handed down" in reason for reason in reasons), reasons


def test_a_deleted_parent_leaves_nothing_that_the_checker_minds(tmp_path: Path) -> None:
    ingest = open_ingest(tmp_path)
    for one in restless("/a.tar", 160, 16):
        ingest.commit(one)
    while jobs := ingest.due(POLICY).jobs:
        ingest.publish(shape_of(ingest.recon_input(jobs[0], POLICY)))
    for one in restless("/b.tar", 320, 16, seed=160):
        ingest.commit(one)
    ingest.close()
    with RawState(tmp_path) as state:
        clusters = [(number(key), r) for key, r in state.records("clusters") if r.get("state", "open") == "open"]
    seeds = {cluster: record["seeds"] for cluster, record in clusters if "seeds" in record}
    parents = {cluster for each in seeds.values() for cluster, _ in each}
    ingest = open_ingest(tmp_path)
    for parent in parents:
        ingest.edit(ClusterDeletion(parent))
    left = seeds.keys() - parents
    assert left
    for cluster in left:
        begun = ingest.recon_input(ReconJob(cluster, 0, 0, 0.0), EAGER)
        assert begun.starts == ((begun.field,) if begun.field else ())
        assert ingest.publish(shape_of(begun, 0.2, 0.3)).outcome != "stale"
    ingest.close()
    assert check_state(tmp_path).clean
