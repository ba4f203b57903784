"""Images that fit no pose leave their cluster once and for all, and everything still adds up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec.structs import replace as changed

from index.ingest import Ingest
from index.jobs import PublishReport, ReconInput, ReconOutput
from index.library import open_library
from index.reading import owner_of
from index.records import ChangeRecord
from index.tables import CHANGES, CLUSTERS, SAMPLES
from ops.errors import StorageError
from ops.faults import Fault, Plan, arm, fired
from ops.fsck import check_state
from tests.batches import open_ingest, stream
from tests.states import EAGER, POLICY, due_job, restless, shape_of


def misfitting(given: ReconInput, misfits: list[int], loss: float = 0.3, baseline: float = 0.4) -> ReconOutput:
    """A published result of which some images are none."""
    made = shape_of(given, loss, baseline)
    strangers = {"loss": 0.8, "weight": 0.0}
    cameras = [changed(each, **strangers) if each.sample in misfits else each for each in made.cameras]
    return replace(made, cameras=cameras, misfits=tuple(misfits))


@pytest.fixture
def ingest(tmp_path: Path) -> Iterator[Ingest]:
    made = open_ingest(tmp_path)
    for one in stream("/a.tar", 80, 16):
        made.commit(one)
    yield made
    made.close()
    assert check_state(tmp_path).findings == []


def owners(ingest: Ingest, images: list[int]) -> list[int | None]:
    with ingest._store.read() as txn:
        micros = [record.micro for image in images if (record := txn.get(SAMPLES, image)) is not None]
        assert len(micros) == len(images)
        return [owner_of(txn, micro) for micro in micros]


def told(ingest: Ingest) -> list[ChangeRecord]:
    with ingest._store.read() as txn:
        return [change for change in txn.values(CHANGES) if change.kind == "handed_back"]


def published(ingest: Ingest, count: int = 2) -> tuple[int, list[int], PublishReport]:
    """A shape that some images of its cluster do not fit."""
    given = ingest.recon_input(due_job(ingest), POLICY)
    misfits = given.samples[3 : 3 + count]
    return given.job.cluster, misfits, ingest.publish(misfitting(given, misfits))


def test_misfits_leave_their_cluster_with_their_loss_and_are_told(ingest: Ingest, tmp_path: Path) -> None:
    cluster, misfits, report = published(ingest)
    assert report.outcome == "published" and sum(report.handed_back.values()) == 2
    assert cluster not in owners(ingest, misfits)
    (change,) = told(ingest)
    assert (change.cluster, change.count, change.version) == (cluster, 2, 1)
    assert "at losses of 0.800 to 0.800" in change.detail
    with ingest._store.read() as txn:
        record = txn.get(CLUSTERS, cluster)
    assert record is not None and owners(ingest, list(range(80))).count(cluster) == record.size


def test_what_left_never_comes_back_whatever_is_learnt_and_repaired(ingest: Ingest, tmp_path: Path) -> None:
    cluster, misfits, _ = published(ingest)
    for seed in (80, 160, 240):
        for one in stream(f"/{seed}.tar", 80, 16, seed=seed):
            ingest.commit(one)
        ingest.settle()
        assert cluster not in owners(ingest, misfits)


def test_one_that_is_handed_back_again_and_again_stays_an_outlier(ingest: Ingest, tmp_path: Path) -> None:
    partition = ingest._restore
    left: list[int | None] = []
    image = ingest.recon_input(due_job(ingest), POLICY).samples[0]
    for _ in range(4):
        (home,) = owners(ingest, [image])
        if home is None:
            break
        assert home not in left
        left.append(home)
        ingest._transact("edit", lambda txn: partition(txn).hand_back(txn, [image], 80), undone=ingest._forget)
    assert owners(ingest, [image]) == [None] and 1 <= len(left) <= 3
    for one in stream("/b.tar", 80, 16, seed=80):
        ingest.commit(one)
    ingest.settle()
    (home,) = owners(ingest, [image])
    assert home not in left


def test_a_restart_goes_on_with_what_left_as_without_one(tmp_path: Path) -> None:
    def run(folder: Path, restart: bool) -> list[int | None]:
        ingest = open_ingest(folder)
        for one in restless("/a.tar", 160, 16):
            ingest.commit(one)
        published(ingest, 3)
        for number, one in enumerate(restless("/b.tar", 160, 16, seed=160)):
            if restart and number % 3 == 0:
                ingest.close()
                ingest = open_ingest(folder)
            ingest.commit(one)
        ingest.settle()
        found = owners(ingest, list(range(320)))
        ingest.close()
        assert check_state(folder).findings == []
        return found

    assert run(tmp_path / "one", False) == run(tmp_path / "two", True)


def test_bars_follow_a_cluster_into_the_one_that_takes_it_in(tmp_path: Path) -> None:
    ingest = open_ingest(tmp_path)
    batches = restless("/a.tar", 640, 16)
    homes: dict[int, int] = {}
    for number, one in enumerate(batches):
        ingest.commit(one)
        if number in (8, 12, 16, 20):
            for job in ingest.due(EAGER).jobs:
                given = ingest.recon_input(job, EAGER)
                fresh = [image for image in given.samples if image not in homes][:1]
                if ingest.publish(misfitting(given, fresh)).handed_back.keys() & {"moved", "outlier"}:
                    homes |= dict.fromkeys(fresh, job.cluster)
    places = owners(ingest, list(range(640)))
    ingest.close()
    library = open_library(tmp_path)
    heir = {other: e.cluster for e in library.lineage(limit=1000).items if e.kind == "merged" for other in e.others}
    library.close()
    assert set(homes.values()) & heir.keys(), "nothing that something was handed back from was taken in"
    assert check_state(tmp_path).clean
    for image, home in homes.items():
        while home in heir:
            home = heir[home]
        assert places[image] != home, image


@pytest.mark.parametrize("kept", [False, True])
def test_of_a_cluster_that_mostly_misfits_none_leaves(ingest: Ingest, tmp_path: Path, kept: bool) -> None:
    given = ingest.recon_input(due_job(ingest), POLICY)
    size = given.job.size
    misfits = given.samples[: size // 2 + 1] if kept else given.samples[: (size - 1) // 2]
    report = ingest.publish(misfitting(given, misfits))
    assert ("kept" in report.handed_back) == kept
    assert owners(ingest, misfits).count(given.job.cluster) == (len(misfits) if kept else 0)


def test_a_candidate_hands_nothing_back(ingest: Ingest, tmp_path: Path) -> None:
    cluster, _, _ = published(ingest, 0)
    for one in stream("/b.tar", 80, 16, seed=80):
        ingest.commit(one)
    given = ingest.recon_input(due_job(ingest, cluster, EAGER), EAGER)
    report = ingest.publish(misfitting(given, given.samples[:2], 0.5, 0.4))
    assert report.outcome == "candidate" and report.handed_back == {}
    assert owners(ingest, given.samples[:2]) == [cluster] * 2


@pytest.mark.parametrize("point", ["publish.during", "publish.after"])
def test_they_leave_with_the_version_or_not_at_all_and_only_once(ingest: Ingest, tmp_path: Path, point: str) -> None:
    given = ingest.recon_input(due_job(ingest), POLICY)
    output = misfitting(given, given.samples[3:5])
    arm(Plan(str(tmp_path / "fired"), (Fault(point, "os_error"),)))
    try:
        with pytest.raises((OSError, StorageError), match="Input/output"):
            ingest.publish(output)
    finally:
        arm(None)
    assert len(fired(tmp_path / "fired")) == 1
    inside = owners(ingest, given.samples[3:5]).count(given.job.cluster)
    assert inside == (2 if point == "publish.during" else 0)
    ingest.publish(output)
    assert ingest.publish(output).handed_back == {}
    assert [change.count for change in told(ingest)] == [2]


def test_a_clusterer_that_cannot_forget_keeps_them(tmp_path: Path) -> None:
    ingest = open_ingest(tmp_path, clusterer="dbstream")
    for one in stream("/a.tar", 160, 16):
        ingest.commit(one)
    given = ingest.recon_input(due_job(ingest), POLICY)
    assert ingest.publish(misfitting(given, given.samples[:2])).handed_back == {"kept": 2}
    ingest.close()
    assert check_state(tmp_path).clean
