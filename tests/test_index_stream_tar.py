from __future__ import annotations

import gzip
import io
import os
import pickle
import tarfile
from pathlib import Path

import msgspec
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
    assert [reason for _, reason in reasons(torn)] == ["not_a_tar"]


def raw_header(name: str, kind: bytes, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


def good(key: str = "good") -> bytes:
    return raw_header(f"{key}.jpg", tarfile.REGTYPE, len(jpeg())) + padded(jpeg())


END = bytes(1024)


def pax(records: bytes, kind: bytes = tarfile.XHDTYPE) -> bytes:
    return raw_header("pax", kind, len(records)) + padded(records)


def record(key: str, value: bytes) -> bytes:
    body = b" " + key.encode() + b"=" + value + b"\n"
    length = len(body) + len(str(len(body) + 3))
    return str(length).encode() + body if len(str(length)) + len(body) == length else pytest.fail("adjust the value")


@pytest.mark.parametrize(
    ("member", "shown", "reason"),
    [
        (pax(record("path", b"a\0b.jpg")) + good(), "a\0b.jpg", "unsafe_name"),
        (pax(record("path", b"x" * 65_536 + b".jpg")) + good(), "x" * 1024, "unsafe_name"),
        (raw_header("long", tarfile.GNUTYPE_LONGNAME, 65_537) + padded(b"y" * 65_536 + b"\0") + good(),
         "y" * 1024, "unsafe_name"),
        (pax(record("path", b"../../etc/cron.d/x.jpg")) + good(), "../../etc/cron.d/x.jpg", "unsafe_name"),
        (raw_header("pax", tarfile.XHDTYPE, 2**20) + bytes(2**20) + good(), "pax", "too_many_bytes"),
        (raw_header("long", tarfile.GNUTYPE_LONGLINK, 2**20) + bytes(2**20) + good(), "long", "too_many_bytes"),
    ],
)  # fmt: skip
def test_hostile_names_and_headers_are_refused_and_the_rest_is_read(
    tmp_path: Path, member: bytes, shown: str, reason: str
) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(good("a") + member + good("b") + END)
    found = reasons(path)
    assert found[0] == ("a", None) and found[-1] == ("b", None)
    assert (shown, reason) in found


@pytest.mark.parametrize(
    "member",
    [
        pax(b"99999999 path=x\n"),
        pax(b"0 path=x\n"),
        pax(b"1" * 200_000),  # tarfile takes minutes to look for numbers in it
        pax(record("size", b"-512")) + good(),
        pax(record("size", b"9" * 40)) + good(),
        pax(record("GNU.sparse.major", b"1") + record("GNU.sparse.minor", b"0")) + good(),
        raw_header("holes", tarfile.GNUTYPE_SPARSE, 512) + bytes(512),
        raw_header("pax", tarfile.XHDTYPE, 20) + padded(record("path", b"never.jpg")) + END,
        raw_header("no.jpg", tarfile.REGTYPE, 2**33),
    ],
)
def test_headers_that_make_no_sense_end_the_shard_with_damage(tmp_path: Path, member: bytes) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(good("a") + good("b") + member + good("c") + END)
    found = reasons(path)
    assert found[0] == ("a", None)
    assert found[-1][1] in ("truncated_tar", "too_many_bytes") or ("no.jpg", "too_many_bytes") in found
    assert ("c", None) not in found


def test_a_thousand_headers_in_a_row_do_not_exhaust_the_stack(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(good("a") + pax(record("path", b"x.jpg")) * 5000 + good("b") + END)
    found = reasons(path)
    assert found[0] == ("a", None)
    assert sum(reason == "too_many_bytes" for _, reason in found) > 500
    path.write_bytes(good("a") + pax(record("comment", b"global"), tarfile.XGLTYPE) * 5000 + good("b") + END)
    assert reasons(path) == [("a", None), ("b", None)]


def test_a_gzip_that_inflates_without_end_is_stopped(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    size = 300 * 2**20
    with gzip.open(path, "wb", compresslevel=9) as file:
        file.write(good("a") + raw_header("big.txt", tarfile.REGTYPE, size))
        for _ in range(size // 2**20):
            file.write(bytes(2**20))
        file.write(good("b") + END)
    assert path.stat().st_size < 2**20
    assert reasons(path)[-1][1] == "decompression_bomb"


def test_members_that_python_would_run_are_never_looked_at(tmp_path: Path) -> None:
    path, canary = tmp_path / "a.tar", tmp_path / "canary"
    code = f"import os; os.mkdir({str(canary)!r})"
    evil = pickle.dumps(Evil(str(canary)))
    with tarfile.open(path, "w") as tar:
        for suffix, data in (("pyd", evil), ("pth", evil), ("pkl", evil), ("pickle", evil), ("npy", evil)):
            add(tar, f"x.{suffix}", data)
        add(tar, "x.py", code.encode())
        add(tar, "x.jpg", jpeg())
    samples = list(read_samples(str(path)))
    assert [(s.key, s.image, s.reject) for s in samples] == [("x", jpeg(), None)]
    assert not canary.exists()
    pickle.loads(evil)
    assert canary.exists(), "the members above would have done nothing"


class Evil:
    """Leaves a file where it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.path,)


def test_names_that_are_no_utf8_and_endless_json_can_be_stored(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        add(tar, "k\udcff.jpg", jpeg())
        add(tar, "k\udcff.json", b"[" * 200_000)
        add(tar, "l.jpg", jpeg())
        add(tar, "l.json", b'{"url": "\\ud800"}')
        add(tar, "m.jpg", jpeg())
        add(tar, "m.json", b'{"url": "' + b"u" * 10_000 + b'"}')
    samples = list(read_samples(str(path)))
    assert [s.key for s in samples] == ["k\\xff", "l", "m"]
    assert [len(s.url) for s in samples] == [0, 0, 4096]
    for sample in samples:
        msgspec.msgpack.encode([sample.key, sample.url])


def test_members_of_one_key_without_end_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        add(tar, "x.jpg", jpeg())
        for number in range(500):
            add(tar, f"x.part{number}", b"")
        add(tar, "y.jpg", jpeg())
    assert reasons(path) == [("x", "too_many_members"), ("y", None)]


def test_missing_shard_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot read shard"):
        list(read_samples(str(tmp_path / "none.tar")))
