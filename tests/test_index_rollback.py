"""Going back to an earlier version: a new number, the old files, and nothing in flight survives it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from index.curation import ClusterDeletion
from index.ingest import Ingest
from index.jobs import FIELD, MESH, PREVIEW, PublishReport, ReconInput
from index.library import Library, open_library
from index.rollback import Rollback
from ops.errors import NotFoundError, StateError
from ops.faults import Fault, Plan, arm, fired
from ops.fsck import check_state
from tests.batches import open_ingest
from tests.states import EAGER, POLICY, due_job, restless, shape_of


@dataclass
class Work:
    """A writer whose shape has two published versions and a candidate."""

    folder: Path
    ingest: Ingest
    shape: int

    def given(self) -> ReconInput:
        return self.ingest.recon_input(due_job(self.ingest, self.shape, EAGER), EAGER)

    def grown(self, seed: int) -> None:
        for one in restless(f"/{seed}.tar", 160, 32, seed=seed):
            self.ingest.commit(one)

    def read(self, look: Callable[[Library], object]) -> object:
        """What a reader sees; LMDB opens a store once a process."""
        self.ingest.close()
        library = open_library(self.folder)
        found = look(library)
        library.close()
        self.ingest = open_ingest(self.folder)
        return found


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Work]:
    ingest = open_ingest(tmp_path)
    for one in restless("/a.tar", 160, 32):
        ingest.commit(one)
    first = due_job(ingest)
    made = Work(tmp_path, ingest, first.cluster)
    ingest.publish(shape_of(ingest.recon_input(first, POLICY), 0.4))
    for seed, loss, baseline in ((160, 0.3, 0.35), (320, 0.5, 0.45)):
        made.grown(seed)
        ingest.publish(shape_of(made.given(), loss, baseline))
    yield made
    made.ingest.close()
    assert check_state(tmp_path).findings == []


def test_the_old_version_is_the_current_one_under_a_new_number_with_the_old_files(work: Work) -> None:
    def files(library: Library, version: int | None) -> list[object]:
        parts = [library.artifact(work.shape, name, version) for name in (FIELD, MESH, PREVIEW)]
        return [*parts, library.cameras(work.shape, version)]

    before = work.read(lambda library: files(library, 1))
    assert work.ingest.edit(Rollback(work.shape, 1)).changed

    def look(library: Library) -> None:
        versions = library.versions(work.shape)
        assert [each.outcome for each in versions] == ["published", "published", "candidate", "published"]
        last = library.shape(work.shape)
        assert (last.version, last.source, last.before, last.judge) == (4, 1, 2, "person")
        assert (last.loss, last.level) == (versions[0].loss, versions[0].level) == (0.4, 0.4)
        assert versions[1].level < 0.4 and last.reason == "rolled back from version 2 to version 1 by a person"
        assert files(library, None) == before
        assert library.lineage(work.shape).items[-1].kind == "rolled_back"
        change = library.changes(work.shape, limit=200).items[-1]
        assert (change.kind, change.version, change.detail) == ("rolled_back", 4, last.reason)
        assert library.moment().loss == pytest.approx(0.4)

    work.read(look)


def test_it_can_be_done_twice_and_taken_back(work: Work) -> None:
    assert work.ingest.edit(Rollback(work.shape, 1)).changed
    assert not work.ingest.edit(Rollback(work.shape, 1)).changed
    assert not work.ingest.edit(Rollback(work.shape, 4)).changed
    assert work.ingest.edit(Rollback(work.shape, 2)).changed

    def look(library: Library) -> None:
        last = library.shape(work.shape)
        assert (last.version, last.source, last.loss) == (5, 2, 0.3)

    work.read(look)
    assert work.ingest.edit(Rollback(work.shape, 4)).changed, "what stands for a version leads to it"
    work.read(lambda library: library.artifact(work.shape, MESH))


def test_one_whose_acknowledgement_was_lost_is_done_once(work: Work, tmp_path: Path) -> None:
    arm(Plan(str(tmp_path / "fired"), (Fault("edit.after", "os_error"),)))
    try:
        with pytest.raises(OSError, match="Input/output"):
            work.ingest.edit(Rollback(work.shape, 1))
    finally:
        arm(None)
    assert len(fired(tmp_path / "fired")) == 1
    assert not work.ingest.edit(Rollback(work.shape, 1)).changed
    work.read(lambda library: library.shape(work.shape, 4))


def test_a_result_that_was_begun_from_the_version_left_is_dropped(work: Work) -> None:
    work.grown(480)
    running = work.given()
    assert running.field is not None and running.job.version == 2
    work.ingest.edit(Rollback(work.shape, 1))
    assert work.ingest.publish(shape_of(running, 0.1, 0.2)).outcome == "stale"
    again = work.given()
    assert again.job.version == 4 and again.field == running.field  # made-up fields are all alike
    assert again.held_out == running.held_out, "what version 2 was fitted to judges nothing, though it was left"
    report: PublishReport = work.ingest.publish(shape_of(again, 0.2, 0.25))
    assert (report.outcome, report.version) == ("published", 5)

    def look(library: Library) -> None:
        last = library.shape(work.shape)
        assert last.before == 4 and last.level == pytest.approx(0.4 * 0.2 / 0.25)

    work.read(look)


def test_a_result_recorded_before_a_rollback_is_still_known_when_it_comes_again(work: Work) -> None:
    work.grown(480)
    output = shape_of(work.given(), 0.2, 0.25)
    first = work.ingest.publish(output)
    assert (first.outcome, first.version) == ("published", 4)
    work.ingest.edit(Rollback(work.shape, 1))
    assert work.ingest.publish(output) == first


def test_what_can_not_be_gone_back_to_is_said_in_a_line(work: Work) -> None:
    with pytest.raises(NotFoundError, match="there is no version 9"):
        work.ingest.edit(Rollback(work.shape, 9))
    with pytest.raises(StateError, match="version 3: it is a candidate"):
        work.ingest.edit(Rollback(work.shape, 3))
    with pytest.raises(NotFoundError, match="there is no cluster 999"):
        work.ingest.edit(Rollback(999, 1))
    work.ingest.edit(Rollback(work.shape, 1))
    work.ingest.edit(ClusterDeletion(work.shape))
    with pytest.raises(NotFoundError, match="there is no version 1"):
        work.ingest.edit(Rollback(work.shape, 1))
