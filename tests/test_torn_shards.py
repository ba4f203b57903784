"""Shards that are torn, still being written, replaced or repeated: what is whole is stored, once."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from index.stream.batch import Mark, ShardCursor
from index.stream.options import ReadOptions
from tests.stub_stream import contents, keys, mine, reasons
from tests.tars import add

SAMPLES = 36
BLOCK = 512


def tiny(seed: int) -> bytes:
    """A small picture, one of its four corners bright, that fits into one block."""
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 130, (4, 4, 1), dtype=np.uint8).repeat(4, 0).repeat(4, 1).repeat(3, 2)
    corner = seed % 4
    pixels[8 * (corner // 2) :, 8 * (corner % 2) :] = 200
    pixels[random.integers(16), random.integers(16)] = random.integers(0, 255, 3)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def key(number: int) -> str:
    return f"k{number:03d}"


def shard_bytes(numbers: range, *, images: dict[int, int] | None = None) -> bytes:
    """A shard; every third sample comes with where it was found, as the last of its members."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for number in numbers:
            add(tar, f"{key(number)}.png", tiny((images or {}).get(number, number)))
            if number % 3 == 0:
                add(tar, f"{key(number)}.json", json.dumps({"url": f"http://x/{number}"}).encode())
    return buffer.getvalue()


def whole_before(data: bytes, cut: int) -> list[str]:
    """Keys of the samples that are there in full: the header of another, or the end, begins behind them."""
    ends: dict[str, int] = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for member in tar:
            size = -(-member.size // BLOCK) * BLOCK
            ends[member.name.partition(".")[0]] = member.offset_data + size
    return [name for name, end in ends.items() if end + BLOCK <= cut]


def data_end(data: bytes) -> int:
    return len(data.rstrip(b"\0")) // BLOCK * BLOCK + BLOCK


def test_torn_at_every_block_and_made_whole_it_ends_as_if_never_torn(tmp_path: Path) -> None:
    data = shard_bytes(range(SAMPLES))
    shard = tmp_path / "0.tar"
    shard.write_bytes(data)
    mine(tmp_path / "whole", shard)
    whole = contents(tmp_path / "whole")
    assert len(whole["images"]) == SAMPLES and len({image[4] for image in whole["images"]}) > 2
    torn = 0
    for cut in range(0, data_end(data) + 2 * BLOCK, BLOCK):
        state = tmp_path / f"cut-{cut}"
        shard.write_bytes(data[:cut])
        mine(state, shard)
        assert keys(state) == whole_before(data, cut), cut
        is_torn = cut < data_end(data) + BLOCK
        assert reasons(state) == ({"truncated_tar": 1} if is_torn else {}), cut
        torn += is_torn
        assert mine(state, shard) == [], "a shard that did not change is not read again"
        shard.write_bytes(data)
        mine(state, shard)
        assert contents(state) == whole, cut
    assert torn > 2 * SAMPLES


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.7, 0.98])
def test_a_truncated_gzip_gives_what_is_whole_and_goes_on_when_it_is_made_whole(tmp_path: Path, share: float) -> None:
    data = gzip.compress(shard_bytes(range(SAMPLES)))
    shard = tmp_path / "0.tar.gz"
    shard.write_bytes(data)
    mine(tmp_path / "whole", shard)
    shard.write_bytes(data[: int(share * len(data))])
    mine(tmp_path / "torn", shard)
    found = keys(tmp_path / "torn")
    assert found == [key(n) for n in range(len(found))] and len(found) < SAMPLES
    assert reasons(tmp_path / "torn") == {"truncated_tar": 1}
    shard.write_bytes(data)
    mine(tmp_path / "torn", shard)
    assert contents(tmp_path / "torn") == contents(tmp_path / "whole")


def test_a_gzip_with_a_wrong_checksum_ends_with_damage(tmp_path: Path) -> None:
    data = bytearray(gzip.compress(shard_bytes(range(4))))
    data[-6] ^= 1
    (tmp_path / "0.tgz").write_bytes(data)
    mine(tmp_path / "state", tmp_path / "0.tgz")
    assert reasons(tmp_path / "state") == {"truncated_tar": 1}
    assert keys(tmp_path / "state") == [key(n) for n in range(4)]


def test_a_shard_that_is_still_being_written_is_read_as_far_as_it_goes_again_and_again(tmp_path: Path) -> None:
    data = shard_bytes(range(SAMPLES))
    shard = tmp_path / "0.tar"
    state = tmp_path / "state"
    seen = 0
    for end in (700, 5_000, 5_100, 14_000, 30_000, len(data)):
        shard.write_bytes(data[:end])
        mine(state, shard)
        assert keys(state) == whole_before(data, end)
        assert len(keys(state)) >= seen
        seen = len(keys(state))
    mine(tmp_path / "whole", shard)
    assert contents(state) == contents(tmp_path / "whole")


def test_damage_in_the_middle_is_no_quiet_end(tmp_path: Path) -> None:
    data = bytearray(shard_bytes(range(SAMPLES)))
    header = data.index(key(20).encode())
    data[header + 148] ^= 0x55  # its checksum
    (tmp_path / "0.tar").write_bytes(data)
    mine(tmp_path / "state", tmp_path / "0.tar")
    assert keys(tmp_path / "state") == [key(n) for n in range(19)]  # the last before it may miss members
    assert reasons(tmp_path / "state") == {"truncated_tar": 1}


@pytest.mark.parametrize("content", [b"", b"\0" * 1024, b"\0" * 10_240])
def test_an_empty_shard_is_no_failure(tmp_path: Path, content: bytes) -> None:
    shard = tmp_path / "0.tar"
    shard.write_bytes(content)
    mine(tmp_path / "state", shard)
    assert keys(tmp_path / "state") == []
    assert reasons(tmp_path / "state") == ({} if content else {"truncated_tar": 1})


def replace(shard: Path, data: bytes) -> None:
    """New content at a later time, as a crawler that runs again leaves it."""
    later = shard.stat().st_mtime_ns + 1_000_000
    shard.write_bytes(data)
    os.utime(shard, ns=(later, later))


def test_the_same_name_with_new_content_brings_in_what_is_new_and_nothing_twice(tmp_path: Path) -> None:
    shard, state = tmp_path / "0.tar", tmp_path / "state"
    shard.write_bytes(shard_bytes(range(20)))
    mine(state, shard)
    # 10-19 as they were, 20-29 new, and 12 another image under its old key.
    data = shard_bytes(range(10, 30), images={12: 99})
    replace(shard, data)
    mine(state, shard)
    assert keys(state) == [*(key(n) for n in range(20)), key(12), *(key(n) for n in range(20, 30))]
    assert reasons(state) == {"duplicate_image": 9}
    before = contents(state)
    replace(shard, data)
    mine(state, shard)
    assert contents(state) == before, "the same content with a new time changes nothing"


def test_replaced_content_of_the_same_length_is_noticed(tmp_path: Path) -> None:
    shard, state = tmp_path / "0.tar", tmp_path / "state"
    shard.write_bytes(shard_bytes(range(8)))
    mine(state, shard)
    size = shard.stat().st_size
    replace(shard, shard_bytes(range(8), images={n: n + 200 for n in range(8)}))
    assert shard.stat().st_size == size
    mine(state, shard)
    assert len(keys(state)) == 16


def test_content_replaced_behind_a_tear_is_noticed_too(tmp_path: Path) -> None:
    shard, state = tmp_path / "0.tar", tmp_path / "state"
    shard.write_bytes(shard_bytes(range(20))[:6000])
    mine(state, shard)
    first = keys(state)
    assert 0 < len(first) < 20 and reasons(state) == {"truncated_tar": 1}
    replace(shard, shard_bytes(range(100, 110)))
    mine(state, shard)
    assert keys(state) == [*first, *(key(n) for n in range(100, 110))]
    assert reasons(state) == {"truncated_tar": 1}, "the rest of what was torn never came"


def test_content_replaced_between_two_batches_begins_anew(tmp_path: Path) -> None:
    shard = tmp_path / "0.tar"
    shard.write_bytes(shard_bytes(range(8)))
    first = ShardCursor(ReadOptions()).read(str(shard), 0, 4, Mark())
    replace(shard, shard_bytes(range(50, 58)))
    other = ShardCursor(ReadOptions()).read(str(shard), 4, 4, first.header.mark)
    assert (other.header.start, other.header.mark.generation) == (0, 1)
    assert [sample.key for sample in other.samples] == [key(n) for n in range(50, 54)]


def test_the_same_shard_given_twice_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shard = tmp_path / "0.tar"
    shard.write_bytes(shard_bytes(range(8)))
    (tmp_path / "link.tar").symlink_to(shard)
    monkeypatch.chdir(tmp_path)
    mine(tmp_path / "state", shard, "0.tar", f"{tmp_path}/*.tar", "./link.tar")
    assert keys(tmp_path / "state") == [key(n) for n in range(8)]
    assert reasons(tmp_path / "state") == {}


def test_a_copy_of_a_shard_under_another_name_brings_in_nothing(tmp_path: Path) -> None:
    for name in ("0.tar", "1.tar"):
        (tmp_path / name).write_bytes(shard_bytes(range(8)))
    mine(tmp_path / "state", tmp_path / "0.tar", tmp_path / "1.tar")
    assert keys(tmp_path / "state") == [key(n) for n in range(8)]
    assert reasons(tmp_path / "state") == {"duplicate_image": 8}


def test_interleaved_keys_and_duplicate_members_are_recorded_one_by_one(tmp_path: Path) -> None:
    shard = tmp_path / "0.tar"
    with tarfile.open(shard, "w") as tar:
        for name in ("a.png", "b.png", "a.json", "b.json", "c.png", "c.png", "d.png", "d.json", "a.png"):
            add(tar, name, b"{}" if name.endswith("json") else tiny(ord(name[0])))
    mine(tmp_path / "state", shard)
    assert keys(tmp_path / "state") == ["a", "b", "c", "d"]
    assert reasons(tmp_path / "state") == {"no_image": 2, "duplicate_key": 2}
