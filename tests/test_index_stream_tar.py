from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from index.stream.tar import MAX_MEMBER_BYTES, read_samples
from ops.errors import SourceError
from tests.tars import add, add_sample, jpeg, write_shard


def reasons(path: Path) -> list[tuple[str, str | None]]:
    return [(s.key, s.reject.reason if s.reject else None) for s in read_samples(str(path))]


def test_samples_come_in_order_with_their_url(tmp_path: Path) -> None:
    shard = write_shard(tmp_path / "a.tar", ["x", "y"])
    samples = list(read_samples(str(shard)))
    assert [s.key for s in samples] == ["x", "y"]
    assert samples[0].image == jpeg(0)
    assert samples[1].url == "http://example.org/y"


def test_start_skips_samples(tmp_path: Path) -> None:
    shard = write_shard(tmp_path / "a.tar", [f"k{i}" for i in range(5)])
    assert [s.key for s in read_samples(str(shard), start=3)] == ["k3", "k4"]


def test_positions_count_refused_members_too(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        add_sample(tar, "a", jpeg())
        add(tar, "../x.jpg", jpeg())
        add_sample(tar, "b", jpeg())
    assert reasons(path) == [("a", None), ("../x.jpg", "unsafe_name"), ("b", None)]
    assert [s.key for s in read_samples(str(path), start=2)] == ["b"]


@pytest.mark.parametrize("name", ["../x.jpg", "/etc/x.jpg", "a/../../x.jpg"])
def test_unsafe_names_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        add(tar, name, jpeg())
    assert reasons(path) == [(name, "unsafe_name")]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        info = tarfile.TarInfo("evil.jpg")
        info.type, info.linkname = kind, "/etc/passwd"
        tar.addfile(info)
    assert reasons(path) == [("evil.jpg", "not_a_file")]


def test_oversized_member_is_refused_without_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        info = tarfile.TarInfo("big.jpg")
        info.size = MAX_MEMBER_BYTES + 1
        tar.addfile(info, io.BytesIO(bytes(info.size)))
        add_sample(tar, "b", jpeg())
    assert reasons(path) == [("big.jpg", "too_many_bytes"), ("b", None)]


def test_sample_without_image_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        add(tar, "a.json", b"{}")
    assert reasons(path) == [("a", "no_image")]


def test_broken_json_is_no_url(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        add(tar, "a.jpg", jpeg())
        add(tar, "a.json", b"[{")
    assert [s.url for s in read_samples(str(path))] == [""]


def test_cut_off_at_any_block_ends_with_a_refused_sample_or_cleanly(tmp_path: Path) -> None:
    whole = write_shard(tmp_path / "a.tar", ["x", "y", "z"]).read_bytes()
    torn = tmp_path / "torn.tar"
    outcomes = set()
    for end in range(0, len(whole), 512):
        torn.write_bytes(whole[:end])
        found = reasons(torn)
        good = [key for key, reason in found if reason is None]
        assert good == ["x", "y", "z"][: len(good)]
        assert all(reason in (None, "truncated_tar", "no_image") for _, reason in found)
        outcomes.add(found[-1][1] if found else "nothing")
    assert "truncated_tar" in outcomes and None in outcomes


def test_cut_off_inside_a_member_is_named(tmp_path: Path) -> None:
    whole = write_shard(tmp_path / "a.tar", ["x", "y"]).read_bytes()
    torn = tmp_path / "torn.tar"
    torn.write_bytes(whole[: 512 + 100])
    assert reasons(torn) == [("x", "truncated_tar")]


def test_truncated_gzip_and_garbage_are_named(tmp_path: Path) -> None:
    whole = gzip.compress(write_shard(tmp_path / "a.tar", ["x", "y"]).read_bytes())
    torn = tmp_path / "b.tar.gz"
    torn.write_bytes(whole[: len(whole) // 2])
    assert reasons(torn)[-1][1] == "truncated_tar"
    torn.write_bytes(b"<html>not a tar</html>" * 100)
    assert [reason for _, reason in reasons(torn)] == ["truncated_tar"]


def test_missing_shard_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot read shard"):
        list(read_samples(str(tmp_path / "none.tar")))
