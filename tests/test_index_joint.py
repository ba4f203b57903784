from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from index.ingest import CommitReport
from index.joint import joint_commit, joint_figures, joint_opened, joint_schedule, joint_status
from index.schedule import Schedule
from index.sizes import StoreSizes
from index.totals import Figures
from tests.batches import batch, open_ingest, sample


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> CommitReport:
    ingest = open_ingest(tmp_path_factory.mktemp("state"))
    found = ingest.commit(batch("/a.tar", [sample(i) for i in range(5)]))
    ingest.close()
    return found


def test_reports_add_up_and_the_worst_part_is_told(report: CommitReport) -> None:
    small = replace(
        report, index_vectors=1, index_recall=0.5, index_drift=0.3, cursor=4, index_saved=False, seconds=9.0
    )
    full = replace(report, store=StoreSizes(50, 20, 15, 5, 95, 100), index_vectors=3, index_recall=0.9, index_drift=0.1)
    found = joint_commit([report, small, full])
    assert (found.stored, found.total_images, found.index_vectors) == (15, 15, 9)
    assert found.index_recall == pytest.approx((5 * report.index_recall + 0.5 + 2.7) / 9)
    assert (found.cursor, found.index_drift, found.index_saved, found.seconds) == (4, 0.3, False, 9.0)
    assert (found.store.used, found.store.limit) == (90, 100), "the store that fills first"


def test_a_loss_is_the_mean_over_shapes() -> None:
    found = joint_figures([Figures(3, 1, 0, 0.2), Figures(0, 4, 1, 0.0), Figures(1, 0, 0, 0.6)])
    assert (found.shaped, found.shapeless, found.retired) == (4, 5, 1) and found.loss == pytest.approx(0.3)
    assert joint_figures([Figures(0, 0, 0, 0.0)] * 2).loss == 0


def test_the_next_try_is_the_first_of_any_part() -> None:
    found = joint_schedule([Schedule(retry_in_s=5.0, due=1), Schedule(), Schedule(retry_in_s=2.0, quarantined=3)])
    assert (found.retry_in_s, found.due, found.quarantined, found.figures) == (2.0, 1, 3, None)
    assert found.store is None
    stores = [StoreSizes(1, 0, 0, used, 10, 10) for used in (2, 7, 5)]
    assert joint_schedule([Schedule(store=store) for store in stores]).store == stores[1]


def test_a_shard_is_done_when_every_part_is_done_with_it(tmp_path: Path) -> None:
    ingests = [open_ingest(tmp_path / name) for name in "ab"]
    ingests[0].commit(batch("/a.tar", [sample(0)], last=True))
    ingests[1].commit(batch("/a.tar", [sample(0)]))
    found = joint_status([ingest.status() for ingest in ingests])
    assert (found.images, found.shards, found.shards_done) == (2, 1, 0)
    opened = [ingest.opened() for ingest in ingests]
    joint = joint_opened([replace(opened[0], index_recall=0.5, index_vectors=3), opened[1]])
    assert (joint.status, joint.index_vectors, joint.index_recall) == (found, 4, (0.5 * 3 + 1) / 4)
    assert joint.clusterer_bytes == sum(one.clusterer_bytes for one in opened) > 0
    assert joint.index_bytes == sum(one.index_bytes for one in opened) > 0 and joint.store in [o.store for o in opened]
    for ingest in ingests:
        ingest.close()
