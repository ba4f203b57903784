"""The feed tells everything once, and the past is what it was when it was the present."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from index.changes import KINDS
from index.curation import ClusterEdit, ImageEdit
from index.library import Library, open_library
from ops.errors import NotFoundError
from tests.batches import open_ingest
from tests.states import POLICY, busy_state, due_job, restless, shape_of


def everything(library: Library, cluster: int | None = None) -> list[int]:
    """Ids of all changes, by pages of three."""
    found: list[int] = []
    after: str | None = None
    while True:
        page = library.changes(cluster, after=after, limit=3)
        found += [change.id for change in page.items]
        if (after := page.next) is None:
            return found


def test_the_past_is_what_was_seen_then(tmp_path: Path) -> None:
    ingest = open_ingest(tmp_path)
    library = Library(ingest._store)
    seen: dict[int, tuple[tuple[int, int, int], list[tuple[int, int]]]] = {}
    published = 0
    for number, one in enumerate(restless("/a.tar", 320, 16)):
        ingest.commit(one)
        if number > 8 and ingest.due(POLICY).jobs:
            given = ingest.recon_input(due_job(ingest), POLICY)
            ingest.publish(shape_of(given, loss=0.3 / (number + 1), baseline=1.0))
            published += 1
        status = library.status()
        shapes = sorted((s.id, s.version) for s in library.shapes(limit=1000).items)
        at = library.moment().at
        seen[at] = ((status.images, status.clusters, status.shapes), shapes)
    assert published > 3 and len(seen) == 20
    for at, (totals, shapes) in seen.items():
        moment = library.moment(images=at)
        assert (moment.images, moment.clusters, moment.shapes) == totals, at
        pages = library.shapes_at(at, limit=2)
        found = [*pages.items]
        while pages.next is not None:
            pages = library.shapes_at(at, after=pages.next, limit=2)
            found += pages.items
        assert [(s.id, s.version) for s in found] == shapes, at
    by_time = library.moment(time=library.moment(images=160).time)
    assert by_time.at >= 160
    ingest.close()


def test_before_the_first_image_there_was_nothing(tmp_path: Path) -> None:
    library = open_library(busy_state(tmp_path))
    with pytest.raises(NotFoundError, match="empty then"):
        library.moment(time=0.0)
    with pytest.raises(NotFoundError, match="empty then"):
        library.moment(images=0)
    assert library.shapes_at(0).items == []
    library.close()


def test_the_feed_is_read_by_page_by_cluster_and_from_where_one_was(tmp_path: Path) -> None:
    library = open_library(busy_state(tmp_path))
    ids = everything(library)
    assert ids == list(range(len(ids))) and len(ids) == library.last_change() + 1
    whole = library.changes(limit=1000).items
    assert {change.kind for change in whole} <= set(KINDS)
    assert {"images", "created", "split", "merged", "published", "no_shape", "failed", "edited"} <= {
        change.kind for change in whole
    }
    shape = library.shapes().items[0].id
    assert everything(library, shape) == [c.id for c in whole if shape in (c.cluster, *c.others)]
    later = library.changes(since=len(ids) - 3, limit=10)
    assert [change.id for change in later.items] == ids[-2:] and later.next is None
    assert library.changes(since=len(ids) - 1).items == []
    assert [change.kind for change in whole][-4:] == ["edited", "images_deleted", "images_quarantined", "rolled_back"]
    library.close()


def test_what_is_done_again_is_told_once(tmp_path: Path) -> None:
    ingest = open_ingest(tmp_path)
    batches = restless("/a.tar", 160, 16)
    for one in batches:
        ingest.commit(one)
    given = ingest.recon_input(due_job(ingest), POLICY)
    edits = (ClusterEdit(given.job.cluster, "name"), ImageEdit((1, 2), "quarantine"), ImageEdit((5,), "delete"))
    for edit in edits:
        ingest.edit(edit)
    ingest.publish(shape_of(given))
    library = Library(ingest._store)
    count = library.last_change()
    for edit in edits:
        assert not ingest.edit(edit).changed
    ingest.publish(replace(shape_of(given)))
    ingest.commit(batches[-1])
    assert library.last_change() == count
    ingest.close()


def test_a_long_past_is_looked_through_bit_by_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = open_library(busy_state(tmp_path))
    at = library.moment().at
    wanted = [s.id for s in library.shapes_at(at).items]
    monkeypatch.setattr("index.moments.MOST_LOOKED_AT", 1)
    page = library.shapes_at(at)
    found = [s.id for s in page.items]
    steps = 1
    while page.next is not None:
        page = library.shapes_at(at, after=page.next)
        found, steps = found + [s.id for s in page.items], steps + 1
    assert found == wanted and steps > 1
    library.close()
