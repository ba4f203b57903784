"""Results that come back late: their cluster merged, split or vanished, or nobody heard that they were kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from index.ingest import Ingest
from index.jobs import ReconInput
from index.library import open_library
from index.schedule import Policy
from ops.errors import NotFoundError, RejectError
from ops.faults import Fault, Plan, arm, fired
from ops.fsck import check_state
from tests.batches import open_ingest
from tests.states import POLICY, due_job, restless, shape_of

EVERYTHING = Policy(min_views=1, growth=1.5, max_failures=2, max_images=32)


def in_flight(ingest: Ingest) -> dict[int, ReconInput]:
    """A reconstruction of every cluster there is, none of them finished."""
    return {job.cluster: ingest.recon_input(job, EVERYTHING) for job in ingest.due(EVERYTHING).jobs}


def owners_of(folder: Path) -> dict[int, int | None]:
    """Image -> its cluster."""
    library = open_library(folder)
    found = {image.id: image.cluster for image in library.images(limit=1000).items}
    library.close()
    return found


def touched_since(folder: Path, at: int) -> dict[str, set[int]]:
    """Clusters that took part in an event after so many images, by what happened to them."""
    library = open_library(folder)
    events = [event for event in library.lineage(limit=1000).items if event.at > at]
    library.close()
    found: dict[str, set[int]] = {"merged": set(), "absorbed": set(), "split": set()}
    for event in events:
        if event.kind == "merged":
            found["merged"].add(event.cluster)
            found["absorbed"].update(event.others)
        elif event.kind == "split":
            found["split"].update(event.others)
    return found


def test_a_result_stays_with_a_cluster_that_merged_or_split_meanwhile_only_where_its_images_do(tmp_path: Path) -> None:
    seen: set[tuple[str, bool]] = set()
    ingest = open_ingest(tmp_path)
    for number, one in enumerate(restless("/a.tar", 320, 16)):
        if number and number % 5 == 0:
            running = in_flight(ingest)
            at = 16 * number
        ingest.commit(one)
        if number > 4 and number % 5 == 4:
            outcomes = {cluster: ingest.publish(shape_of(given)) for cluster, given in running.items()}
            ingest.close()
            changed, owners = touched_since(tmp_path, at), owners_of(tmp_path)
            ingest = open_ingest(tmp_path)
            for kind, clusters in changed.items():
                for cluster in clusters & outcomes.keys():
                    stale, images = outcomes[cluster].outcome == "stale", running[cluster].samples
                    still = sum(owners[image] == cluster for image in images) / len(images)
                    assert stale or (kind != "absorbed" and still >= 0.9), (kind, outcomes[cluster])
                    seen.add((kind, stale))
            untouched = outcomes.keys() - set.union(*changed.values())
            assert all(
                outcomes[cluster].outcome != "stale" or "most" in outcomes[cluster].reason for cluster in untouched
            )
            assert untouched
    assert seen >= {("merged", True), ("absorbed", True), ("split", True)}, f"only {seen} happened"
    for cluster, given in in_flight(ingest).items():
        assert ingest.publish(shape_of(given)).outcome == "published", cluster
    ingest.close()
    assert check_state(tmp_path).clean


def test_a_cluster_that_vanished_before_its_turn_is_not_read(tmp_path: Path) -> None:
    ingest = open_ingest(tmp_path)
    waiting = {}
    for one in restless("/a.tar", 320, 16):
        waiting |= {job.cluster: job for job in ingest.due(EVERYTHING).jobs}
        ingest.commit(one)
    gone = waiting.keys() - {job.cluster for job in ingest.due(EVERYTHING).jobs}
    assert gone
    for cluster in gone:
        with pytest.raises(NotFoundError, match="no images any more"):
            ingest.recon_input(waiting[cluster], EVERYTHING)
        assert ingest.fail(waiting[cluster], "it vanished", EVERYTHING).outcome == "stale"
    ingest.close()
    assert check_state(tmp_path).clean


@pytest.mark.parametrize("point", ["publish.after", "fail.after", "commit.after", "reject.after"])
def test_what_was_done_though_its_acknowledgement_was_lost_is_done_once(tmp_path: Path, point: str) -> None:
    """The caller hears of an error where the work was durable already, and asks for the same again."""
    batches = restless("/a.tar", 160, 16)
    ingest = open_ingest(tmp_path / "state")
    for one in batches[:-1]:
        ingest.commit(one)
    job = due_job(ingest)
    output = shape_of(ingest.recon_input(job, POLICY))
    work = {
        "publish.after": lambda: ingest.publish(output),
        "fail.after": lambda: ingest.fail(job, "broke", POLICY),
        "commit.after": lambda: ingest.commit(batches[-1]),
        "reject.after": lambda: ingest.reject_shard("pipe:x", RejectError("forbidden_url", "no")),
    }[point]
    arm(Plan(str(tmp_path / "fired"), (Fault(point, "os_error"),)))
    try:
        with pytest.raises(OSError, match="Input/output"):
            work()
    finally:
        arm(None)
    assert len(fired(tmp_path / "fired")) == 1
    work()
    work()
    ingest.close()
    report = check_state(tmp_path / "state")
    assert report.findings == []
    wanted = {"publish.after": ("shapes", 1), "fail.after": ("shapes", 0), "commit.after": ("samples", 160)}
    table, count = wanted.get(point, ("rejects", 1))
    assert report.records[table] == count
