"""Photos of several objects in the store: an image for each, one place in the shard, one file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from index.curation import ImageEdit, SourceEdit
from index.ingest import Ingest
from index.library import open_library
from index.stream.batch import Batch
from index.summaries import ImageSummary
from ops.errors import RejectError
from ops.fsck import check_state, compare_states
from tests.batches import batch, open_ingest, sample

PLACES = [("k0", 0), ("k0", 1), ("k2", 0), ("k3", 0), ("k3", 1), ("k3", 2)]


def photos(shard: str = "a") -> Batch:
    refused = sample(1, reject=RejectError("cut_off", "60% of the object's side lie on the image's edge"))
    return batch(shard, [sample(0, objects=2), refused, sample(2), sample(3, objects=3)], last=True)


def stored(folder: Path) -> list[ImageSummary]:
    library = open_library(folder)
    found = library.images(limit=100).items
    library.close()
    return found


def finish(ingest: Ingest, folder: Path) -> None:
    ingest.settle()
    ingest.close()
    assert [finding for finding in check_state(folder).findings if finding.severity == "error"] == []


def test_each_object_is_an_image_of_one_place_in_the_shard(tmp_path: Path) -> None:
    ingest = open_ingest(tmp_path)
    report = ingest.commit(photos())
    assert (report.stored, report.rejects, report.cursor) == (6, {"cut_off": 1}, 4)
    assert ingest.commit(photos()).stored == 0, "a batch that comes again changes nothing"
    finish(ingest, tmp_path)
    found = stored(tmp_path)
    assert [(image.key, image.object) for image in found] == PLACES
    assert [image.id for image in found] == list(range(6))


def test_the_same_file_is_refused_by_its_first_object(tmp_path: Path) -> None:
    ingest = open_ingest(tmp_path)
    ingest.commit(photos())
    assert ingest.commit(photos("b")).rejects == {"duplicate_image": 3, "cut_off": 1}
    finish(ingest, tmp_path)
    library = open_library(tmp_path)
    assert [image.copies for image in library.images().items] == [1, 0, 1, 1, 0, 0]
    assert [reject.key for reject in library.rejects(of=3).items] == ["k3"]
    library.close()


@pytest.mark.parametrize("deleted", [0, 1])
def test_an_object_is_deleted_alone_and_its_file_stays_away(tmp_path: Path, deleted: int) -> None:
    ingest = open_ingest(tmp_path)
    ingest.commit(photos())
    assert ingest.edit(ImageEdit((deleted,), "delete")).images == 1
    again = ingest.commit(batch("b", [sample(0, objects=2)], last=True))
    assert again.rejects == {"duplicate_image" if deleted else "deleted_image": 1}
    finish(ingest, tmp_path)
    assert [image.id for image in stored(tmp_path)] == [number for number in range(6) if number != deleted]


def test_a_source_goes_with_all_objects(tmp_path: Path) -> None:
    ingest = open_ingest(tmp_path)
    ingest.commit(photos())
    assert ingest.edit(SourceEdit("a", "delete")).images == 6
    finish(ingest, tmp_path)
    assert stored(tmp_path) == []


def test_one_object_that_can_not_be_stored_costs_the_photo(tmp_path: Path) -> None:
    photo = sample(1, objects=2)
    broken = replace(photo.views[1], descriptor=photo.views[1].descriptor * 3)
    ingest = open_ingest(tmp_path)
    report = ingest.commit(batch("a", [sample(0), replace(photo, views=(photo.views[0], broken))], last=True))
    assert (report.stored, report.rejects) == (1, {"bad_vector": 1})
    finish(ingest, tmp_path)


def test_how_the_stream_is_cut_changes_nothing(tmp_path: Path) -> None:
    samples = [sample(place, objects=1 + place % 3) for place in range(24)]
    for name, size in (("whole", 24), ("parts", 5)):
        ingest = open_ingest(tmp_path / name)
        for start in range(0, 24, size):
            part = samples[start : start + size]
            ingest.commit(batch("a", part, last=part[-1].index == 23))
        finish(ingest, tmp_path / name)
    assert compare_states(tmp_path / "whole", tmp_path / "parts") == []
    assert len(stored(tmp_path / "parts")) == 48
