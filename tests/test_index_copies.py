"""Near-copies are found, refused, counted and forgotten."""

from __future__ import annotations

import io
import tarfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from index import copies
from index.curation import ImageEdit
from index.library import open_library
from index.store import Store
from index.stream.batch import Sample
from index.stream.signature import Signature
from ops.fsck import check_state
from tests.batches import batch, open_ingest, sample
from tests.stub_stream import keys, mine, reasons
from tests.tars import add_sample, jpeg

HASH = 0x1234_5678_9ABC_DEF0
RAMP = bytes(range(256))
BLOCK = bytes(64) + bytes([255]) * 192


def flipped(*places: int) -> int:
    return HASH ^ sum(1 << place for place in places)


def signed(seed: int, bits: int = HASH, thumbnail: bytes = RAMP) -> Sample:
    """The only sample of a shard."""
    return replace(sample(0, seed), signature=Signature(bits, thumbnail))


@pytest.mark.parametrize(
    ("bits", "thumbnail", "is_copy"),
    [
        (HASH, RAMP, True),
        (flipped(0, 17, 40), RAMP, True),
        (flipped(0, 1, 2, 3), RAMP, True),
        (flipped(0, 1, 2, 3, 4), RAMP, False),
        (HASH, RAMP[::-1], False),
        (HASH, BLOCK, False),
    ],
)
def test_a_copy_is_near_in_hash_and_thumbnail(tmp_path: Path, bits: int, thumbnail: bytes, is_copy: bool) -> None:
    ingest = open_ingest(tmp_path)
    ingest.commit(batch("a", [signed(0)], last=True))
    report = ingest.commit(batch("b", [signed(1, bits, thumbnail)], last=True))
    assert report.rejects == ({"near_duplicate": 1} if is_copy else {})
    ingest.close()
    assert check_state(tmp_path).clean


def test_the_nearest_one_is_named_and_counts_its_copies(tmp_path: Path) -> None:
    ingest = open_ingest(tmp_path)
    for place, one in enumerate(
        [signed(0), signed(1, flipped(0, 16, 32, 48, 1)), signed(2, flipped(0, 16)), signed(0)]
    ):
        ingest.commit(batch(f"{place}", [one], last=True))
    ingest.close()
    library = open_library(tmp_path)
    assert [image.copies for image in library.images().items] == [2, 0]
    first, second = library.rejects(of=0).items
    assert (first.reason, first.of, first.shard) == ("near_duplicate", 0, "2")
    assert (second.reason, second.of, second.shard) == ("duplicate_image", 0, "3")
    page = library.rejects(of=0, limit=1)
    assert page.items == [first] and library.rejects(of=0, after=page.next).items == [second]
    assert library.rejects(of=0, reason="duplicate_image").items == [second]
    assert library.rejects(of=1).items == []
    library.close()


def test_copies_are_let_in_where_that_is_asked_for(tmp_path: Path) -> None:
    ingest = open_ingest(tmp_path, near_duplicates=False)
    for name in "ab":
        assert ingest.commit(batch(name, [signed(ord(name))], last=True)).rejects == {}
    ingest.close()
    assert check_state(tmp_path).clean


def test_an_image_that_is_deleted_has_no_copies_any_more(tmp_path: Path) -> None:
    ingest = open_ingest(tmp_path)
    ingest.commit(batch("a", [signed(0)], last=True))
    ingest.edit(ImageEdit((0,), "delete"))
    assert ingest.commit(batch("b", [signed(1)], last=True)).rejects == {}
    assert ingest.commit(batch("c", [signed(2)], last=True)).rejects == {"near_duplicate": 1}
    ingest.close()
    assert check_state(tmp_path).clean


@pytest.mark.parametrize(("most", "found"), [(3, 0), (2, None)])
def test_in_a_crowd_of_like_hashes_the_latest_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, found: int | None
) -> None:
    monkeypatch.setattr(copies, "_MOST_LOOKED_AT", most)
    with closing(Store(tmp_path, readonly=False, map_size_gib=0.25)) as store, store.write() as txn:
        for image, thumbnail in enumerate((RAMP, BLOCK, BLOCK)):
            copies.put_signature(txn, image, Signature(HASH, thumbnail))
        assert copies.find_copied(txn, Signature(HASH, RAMP)) == found


def test_copies_of_a_stream_are_refused_across_batches_and_shards(tmp_path: Path) -> None:
    """Each photo again at another size and quality, in another shard."""
    with tarfile.open(tmp_path / "a.tar", "w") as first, tarfile.open(tmp_path / "b.tar", "w") as second:
        for seed in range(12):
            picture = Image.open(io.BytesIO(jpeg(seed, (160, 120))))
            add_sample(first, f"a{seed}", jpeg(seed, (160, 120)))
            small = io.BytesIO()
            picture.resize((120, 90)).save(small, "JPEG", quality=60)
            add_sample(second, f"b{seed}", small.getvalue())
    mine(tmp_path / "state", tmp_path / "a.tar", tmp_path / "b.tar", count=5)
    assert keys(tmp_path / "state") == [f"a{seed}" for seed in range(12)]
    assert reasons(tmp_path / "state") == {"near_duplicate": 12}
    library = open_library(tmp_path / "state")
    assert [image.copies for image in library.images().items] == [1] * 12
    library.close()
    assert check_state(tmp_path / "state").clean
