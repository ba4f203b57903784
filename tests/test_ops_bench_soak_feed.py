from __future__ import annotations

import tarfile
from contextlib import closing
from pathlib import Path

import pytest

from index.copies import find_copied, put_signature
from index.store import Store
from index.stream.decode import decode_image
from index.stream.signature import sign
from index.stream.tar import read_samples
from ops.bench.soak import feed as module
from ops.bench.soak.feed import Feed


@pytest.fixture
def feed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Feed:
    monkeypatch.setattr(module, "_SHAPES", 1)
    monkeypatch.setattr(module, "_VIEWS", 2)
    return Feed(tmp_path / "shards", per_shard=4, seed=3)


def names(path: Path) -> list[str]:
    with tarfile.open(path) as tar:
        return tar.getnames()


def test_shards_are_whole_and_no_sample_comes_twice(feed: Feed, tmp_path: Path) -> None:
    feed.add(objects=True)
    feed.add(objects=False)
    shards = sorted((tmp_path / "shards").iterdir())
    found = [name for path in shards for name in names(path)]
    assert len(found) == len(set(found)) == feed.samples == 8
    assert [path.name for path in shards] == ["00000.tar", "00001.tar"]


def test_a_torn_shard_is_torn_until_it_is_mended(feed: Feed, tmp_path: Path) -> None:
    for _ in range(4):
        feed.add(objects=True, torn=True)
    shards = sorted((tmp_path / "shards").iterdir())
    lengths = [path.stat().st_size for path in shards]
    kept = [sum(sample.reject is None for sample in read_samples(str(path))) for path in shards]
    assert sum(kept) < feed.samples
    feed.mend()
    assert all(path.stat().st_size > length for path, length in zip(shards, lengths, strict=True))
    assert all(len(names(path)) == 4 for path in shards)
    lengths = [path.stat().st_size for path in shards]
    feed.mend()
    assert [path.stat().st_size for path in shards] == lengths


def test_photos_are_no_copies_of_each_other(tmp_path: Path) -> None:
    feed = Feed(tmp_path / "shards", per_shard=40, seed=3)
    feed.add(objects=True)
    pictures = [
        decode_image(sample.image, 192)[0]
        for sample in read_samples(str(tmp_path / "shards" / "00000.tar"))
        if sample.image
    ]
    signatures = [signature for picture in pictures if (signature := sign(picture)) is not None]
    assert len(signatures) == 40
    with closing(Store(tmp_path / "store", readonly=False, map_size_gib=0.25)) as store, store.write() as txn:
        known = 0
        for number, signature in enumerate(signatures):
            known += find_copied(txn, signature) is not None
            put_signature(txn, number, signature)
    assert known <= 4
