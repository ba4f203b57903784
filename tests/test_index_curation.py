"""What people do: once is as twice, nothing comes back, and the checker is content after each step."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from index.browse import Filter
from index.curation import ClusterDeletion, ClusterEdit, Edit, ImageEdit, SourceEdit
from index.ingest import Ingest
from index.jobs import ReconOutput
from index.library import Library, open_library
from index.search import SimilaritySearch
from index.stream.batch import Mark
from ops.errors import ConfigError, NotFoundError, RejectError, StateError, StorageError
from ops.faults import Fault, Plan, arm, fired
from ops.fsck import check_state
from tests.batches import DIM, batch, open_ingest, sample, stream, view
from tests.states import POLICY, busy_state, due_job, restless, shape_of
from tests.test_index_ingest import feed, partition


@pytest.fixture
def ingest(tmp_path: Path) -> Ingest:
    opened = open_ingest(tmp_path / "state")
    for one in stream("/a.tar", 160, 16):
        opened.commit(one)
    return opened


def closed(ingest: Ingest, tmp_path: Path) -> Library:
    ingest.close()
    report = check_state(tmp_path / "state")
    assert report.findings == []
    return open_library(tmp_path / "state")


def inside(ingest: Ingest) -> Library:
    """The library as the writer's own process may read it."""
    return Library(ingest._store)


def test_names_and_tags_are_kept_told_and_searched(ingest: Ingest, tmp_path: Path) -> None:
    cluster = inside(ingest).clusters(limit=1).items[0].id
    wanted = ClusterEdit(cluster, " red chair ", ("chair", "red "), pinned=True)
    assert ingest.edit(wanted).changed and not ingest.edit(wanted).changed
    ingest.edit(ClusterEdit(cluster, remove_tags=("red",), hidden=True))
    library = closed(ingest, tmp_path)
    found = library.cluster(cluster)
    assert (found.name, found.tags, found.pinned, found.hidden) == ("red chair", ("chair",), True, True)
    assert cluster not in {c.id for c in library.clusters().items}
    assert [c.id for c in library.clusters(chosen=Filter(tag="chair", hidden=None)).items] == [cluster]
    assert library.clusters(chosen=Filter(tag="red", hidden=None)).items == []
    told = [change.detail for change in library.changes(cluster, limit=1000).items if change.kind == "edited"]
    assert told == ["named 'red chair', tagged 'chair', tagged 'red', pinned", "tag 'red' removed, hidden"]
    library.close()


@pytest.mark.parametrize(
    "wrong",
    [ClusterEdit(1, "x" * 201), ClusterEdit(1, "a\nb"), ClusterEdit(1, add_tags=("t" * 51,)),
     ClusterEdit(1, add_tags=tuple(map(str, range(51)))), ImageEdit(tuple(range(10_001)), "delete")],
)  # fmt: skip
def test_what_is_too_long_is_refused(ingest: Ingest, tmp_path: Path, wrong: Edit) -> None:
    with pytest.raises(ConfigError):
        ingest.edit(wrong)
    closed(ingest, tmp_path).close()


@pytest.mark.parametrize(
    "wrong",
    [ClusterEdit(999, "x"), ClusterEdit(-1, "x"), ClusterDeletion(2**63), ImageEdit((3, 999), "delete"),
     ImageEdit((-1,), "quarantine"), SourceEdit("/other.tar", "delete")],
)  # fmt: skip
def test_what_is_not_there_is_told_and_nothing_is_done(ingest: Ingest, tmp_path: Path, wrong: Edit) -> None:
    with pytest.raises(NotFoundError, match="there is no"):
        ingest.edit(wrong)
    library = closed(ingest, tmp_path)
    assert library.status().images == 160
    library.close()


def test_deleted_images_are_gone_and_do_not_come_back(ingest: Ingest, tmp_path: Path) -> None:
    batches = stream("/a.tar", 160, 16)
    assert ingest.edit(ImageEdit((3, 17, 159), "delete")).images == 3
    assert not ingest.edit(ImageEdit((3, 17, 159), "delete")).changed
    for one in batches:
        assert ingest.commit(one).stored == 0  # the shard is read again
    copy = ingest.commit(batch("/copy.tar", [sample(0, 3), sample(1, 500)]))
    assert (copy.stored, copy.rejects, copy.index_vectors) == (1, {"deleted_image": 1}, 158)
    again = [replace(one, header=replace(one.header, mark=Mark(generation=1))) for one in stream("/a.tar", 32, 16)]
    assert [ingest.commit(one).rejects for one in again] == [
        {"duplicate_image": 15, "deleted_image": 1},
        {"duplicate_image": 15, "deleted_image": 1},
    ]
    library = closed(ingest, tmp_path)
    assert library.status().images == 158 and library.deleted() == [3, 17, 159]
    with pytest.raises(NotFoundError):
        library.image(17)
    shard = library.shards().items[0]
    assert (shard.url, shard.stored, shard.deleted, shard.cursor) == ("/a.tar", 157, 3, 160)
    assert max(image.id for image in library.images(limit=1000).items) == 160, "numbers are not given out again"
    library.close()


def test_a_stream_goes_on_the_same_whether_it_was_interrupted_after_a_deletion(tmp_path: Path) -> None:
    batches = stream("/a.tar", 240, 16)
    for name, stops in (("through", ()), ("stopped", (9, 10, 12))):
        ingest = open_ingest(tmp_path / name)
        for number, one in enumerate(batches):
            ingest.commit(one)
            if number == 9:
                ingest.edit(ImageEdit((0, 1, 2, 50, 51, 100), "delete"))
            if number in stops:
                ingest.close()
                ingest = open_ingest(tmp_path / name)
        ingest.close()
        assert check_state(tmp_path / name).findings == []
    assert partition(tmp_path / "through") == partition(tmp_path / "stopped")


def test_a_deleted_cluster_takes_its_images_and_versions_with_it(ingest: Ingest, tmp_path: Path) -> None:
    job = due_job(ingest)
    ingest.publish(shape_of(ingest.recon_input(job, POLICY)))
    in_flight = ingest.recon_input(replace(job), POLICY)
    report = ingest.edit(ClusterDeletion(job.cluster))
    assert report.images == job.size and not ingest.edit(ClusterDeletion(job.cluster)).changed
    assert ingest.publish(shape_of(in_flight)).outcome == "stale"
    before = {image.cluster for image in inside(ingest).images(limit=1000).items}
    alike = [sample(i, 400 + 4 * i) for i in range(40)]
    ingest.commit(batch("/b.tar", alike))
    ingest.settle()
    library = closed(ingest, tmp_path)
    assert job.cluster not in before
    gone = library.cluster(job.cluster)
    assert (gone.state, gone.size, gone.version) == ("retired", 0, 0)
    with pytest.raises(NotFoundError):
        library.shape(job.cluster)
    assert [e.kind for e in library.lineage(job.cluster, limit=1000).items][-1] == "deleted"
    library.close()
    assert job.cluster not in partition(tmp_path / "state").values(), "ids are never used twice"


def test_a_deleted_source_is_refused_from_then_on(tmp_path: Path) -> None:
    ingest = open_ingest(tmp_path / "state")
    batches = stream("/a.tar", 160, 16)
    for one in batches[:5]:
        ingest.commit(one)
    ingest.commit(batch("/b.tar", [sample(0, 700)]))
    assert ingest.edit(SourceEdit("/a.tar", "delete")).images == 80
    assert not ingest.edit(SourceEdit("/a.tar", "delete")).changed
    assert [ingest.commit(one).rejects for one in batches[5:7]] == [{"deleted_source": 16}] * 2
    replaced = replace(stream("/a.tar", 16, 16, seed=900)[0].header, mark=Mark(generation=1))
    report = ingest.commit(replace(stream("/a.tar", 16, 16, seed=900)[0], header=replaced))
    assert report.stored == 0 and report.rejects == {"deleted_source": 16}
    library = closed(ingest, tmp_path)
    assert library.status().images == 1
    assert [(s.url, s.blocked, s.deleted) for s in library.shards().items] == [
        ("/a.tar", True, 80), ("/a.tar#1", True, 0), ("/b.tar", False, 0),
    ]  # fmt: skip
    library.close()


def test_quarantine_keeps_images_out_of_reconstructions_and_answers(ingest: Ingest, tmp_path: Path) -> None:
    job = due_job(ingest)
    chosen = tuple(ingest.recon_input(job, POLICY).samples[:3])
    assert ingest.edit(ImageEdit(chosen, "quarantine")).images == 3
    assert not ingest.edit(ImageEdit(chosen, "quarantine")).changed
    assert not set(chosen) & set(ingest.recon_input(job, POLICY).samples)
    library = inside(ingest)
    assert [image.id for image in library.images(quarantined=True).items] == sorted(chosen)
    assert library.image(chosen[0]).quarantined and library.owners(chosen) == [None] * 3
    ingest.edit(ImageEdit(chosen, "release"))
    assert set(chosen) <= set(ingest.recon_input(job, POLICY).samples)
    closed(ingest, tmp_path).close()


def test_a_source_in_quarantine_goes_on_being_stored_there(tmp_path: Path) -> None:
    ingest = open_ingest(tmp_path / "state")
    batches = stream("/a.tar", 64, 16)
    for one in batches[:2]:
        ingest.commit(one)
    ingest.edit(SourceEdit("/a.tar", "quarantine"))
    ingest.commit(batches[2])
    assert len(inside(ingest).images(quarantined=True, limit=1000).items) == 48
    assert ingest.edit(SourceEdit("/a.tar", "release")).images == 48
    ingest.commit(batches[3])
    library = closed(ingest, tmp_path)
    assert library.images(quarantined=True).items == [] and library.status().images == 64
    library.close()


def test_a_cluster_in_quarantine_is_left_alone_until_it_is_released(ingest: Ingest, tmp_path: Path) -> None:
    job = due_job(ingest)
    ingest.edit(ClusterEdit(job.cluster, quarantined=True))
    due = ingest.due(POLICY)
    assert job.cluster not in {other.cluster for other in due.jobs} and due.quarantined == 1
    ingest.edit(ClusterEdit(job.cluster, quarantined=False))
    for attempt in range(POLICY.max_failures):
        ingest.fail(replace(job, attempt=attempt), "it broke", POLICY)
    assert job.cluster not in {other.cluster for other in ingest.due(POLICY).jobs}
    ingest.edit(ClusterEdit(job.cluster, quarantined=False))
    assert job.cluster in {other.cluster for other in ingest.due(POLICY).jobs}
    closed(ingest, tmp_path).close()


def test_what_people_said_of_merged_clusters_holds_for_the_one_that_took_them_in(tmp_path: Path) -> None:
    ingest = open_ingest(tmp_path / "state")
    library, merged = inside(ingest), False
    for one in restless("/a.tar", 320, 16):
        for cluster in library.clusters(limit=1000).items:
            ingest.edit(ClusterEdit(cluster.id, add_tags=(f"was {cluster.id}",)))
        ingest.commit(one)
        for event in library.lineage(limit=1000).items:
            if event.kind == "merged" and library.cluster(event.cluster).state == "open":
                merged = True
                assert {f"was {other}" for other in event.others} <= {*library.cluster(event.cluster).tags}
    assert merged
    closed(ingest, tmp_path).close()


def test_dbstream_cannot_forget_and_says_so(tmp_path: Path) -> None:
    feed(tmp_path / "state", stream("/a.tar", 48, 16), "dbstream")
    ingest = open_ingest(tmp_path / "state", "dbstream")
    with pytest.raises(StateError, match=r"can't forget.*quarantine"):
        ingest.edit(ImageEdit((3,), "delete"))
    assert ingest.edit(ImageEdit((3,), "quarantine")).changed
    library = closed(ingest, tmp_path)
    assert library.status().images == 48
    library.close()


def test_queries_forget_what_was_deleted(ingest: Ingest, tmp_path: Path) -> None:
    search = SimilaritySearch(inside(ingest))
    vector = view(5).descriptor.astype(np.float32)
    assert search.query(vector, 1)[0].nearest_image == 5
    ingest.edit(ImageEdit((5,), "delete"))
    assert 5 not in {hit.nearest_image for hit in search.query(vector, 160)}
    assert len(search) == 159
    closed(ingest, tmp_path).close()


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return busy_state(tmp_path_factory.mktemp("busy") / "state", edits=False)


EDITS: dict[str, Edit] = {
    "delete": ImageEdit((3, 4), "delete"),
    "name": ClusterEdit(1, "name"),
    "source": SourceEdit("/crawl/a.tar", "delete"),
    "cluster": ClusterDeletion(1),
}


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("point", ["edit.before", "edit.during", "edit.after"])
def test_an_edit_that_breaks_off_is_done_once(busy: Path, tmp_path: Path, point: str, edit: str) -> None:
    ingest = open_ingest(shutil.copytree(busy, tmp_path / "state"))
    arm(Plan(str(tmp_path / "fired"), (Fault(point, "os_error"),)))
    try:
        with pytest.raises((OSError, StorageError)):
            ingest.edit(EDITS[edit])
    finally:
        arm(None)
    assert len(fired(tmp_path / "fired")) == 1
    assert ingest.edit(EDITS[edit]).changed is (point != "edit.after")
    ingest.commit(batch("/crawl/f.tar", [sample(0, 3), sample(1, 2000)]))
    ingest.close()
    report = check_state(tmp_path / "state")
    assert report.findings == []


def test_an_index_that_was_saved_before_a_deletion_is_a_note_and_mends(ingest: Ingest, tmp_path: Path) -> None:
    ingest.close()
    stale = (tmp_path / "state" / "vectors.faiss").read_bytes()
    ingest = open_ingest(tmp_path / "state")
    ingest.edit(ImageEdit((159, 2), "delete"))
    ingest.close()
    (tmp_path / "state" / "vectors.faiss").write_bytes(stale)
    report = check_state(tmp_path / "state")
    assert report.clean and "2 deleted images" in report.findings[0].what
    ingest = open_ingest(tmp_path / "state")
    assert ingest.commit(batch("/b.tar", [sample(0, 700)])).index_vectors == 159
    closed(ingest, tmp_path).close()


def test_positions_without_an_image_are_accounted_for(tmp_path: Path) -> None:
    ingest = open_ingest(tmp_path / "state")
    refused: Callable[[int], RejectError] = lambda n: RejectError("too_small", f"{n}")  # noqa: E731
    ingest.commit(batch("/a.tar", [sample(0), sample(1, reject=refused(1)), sample(2)], last=True))
    ingest.edit(ImageEdit((0, 1), "delete"))
    library = closed(ingest, tmp_path)
    assert library.status().images == 0 and library.shards().items[0].deleted == 2 and DIM
    library.close()


ACTS = ("name", "hold", "delete", "quarantine", "drop", "start", "finish")


def act(ingest: Ingest, name: str, random: np.random.Generator, waiting: list[ReconOutput]) -> None:
    """Something a person or a reconstruction does, to whatever there is."""
    library = inside(ingest)
    clusters = [cluster.id for cluster in library.clusters(limit=1000).items] or [1]
    images = [image.id for image in library.images(limit=1000).items]
    cluster, some = int(random.choice(clusters)), tuple(random.choice(images, 3).tolist())
    edits: dict[str, Edit] = {
        "name": ClusterEdit(cluster, "n" * int(random.integers(9)), ("tag",)),
        "hold": ClusterEdit(cluster, quarantined=bool(random.random() < 0.5)),
        "delete": ImageEdit(some, "delete"),
        "quarantine": ImageEdit(some, "quarantine"),
        "drop": ClusterDeletion(cluster),
    }
    if name in edits:
        ingest.edit(edits[name])
    elif name == "finish" and waiting:
        ingest.publish(waiting.pop())
    elif name == "start" and ingest.due(POLICY).jobs:
        waiting.append(shape_of(ingest.recon_input(due_job(ingest), POLICY), loss=float(random.random())))


@pytest.mark.parametrize("seed", range(3))
def test_whatever_people_do_in_between_all_agrees(tmp_path: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    ingest = open_ingest(tmp_path / "state")
    waiting: list[ReconOutput] = []
    done: Counter[str] = Counter()
    for one in restless("/a.tar", 240, 12, seed=50 * seed):
        ingest.commit(one)
        for name in random.choice(ACTS, 3, p=(0.2, 0.1, 0.2, 0.1, 0.05, 0.2, 0.15)).tolist():
            with suppress(NotFoundError):
                act(ingest, name, random, waiting)
                done[name] += 1
        if random.random() < 0.2:
            ingest.close()
            ingest = open_ingest(tmp_path / "state")
    assert len(done) >= len(ACTS) - 1, done
    ingest.settle()
    library = closed(ingest, tmp_path)
    assert library.status().images == 240 - len(library.deleted()) < 240
    library.close()
