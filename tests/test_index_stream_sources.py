from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from index.stream.options import HttpOptions
from index.stream.sources import expand, local_stamp
from index.stream.tar import read_samples
from ops.errors import SourceError
from tests.tars import write_shard


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_globs_braces_and_folders_expand_in_order(tmp_path: Path) -> None:
    for name in ("00001.tar", "00000.tar", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    both = [str(tmp_path / "00000.tar"), str(tmp_path / "00001.tar")]
    for pattern in (f"{tmp_path}", f"{tmp_path}/*.tar", f"{tmp_path}/{{00000..00001}}.tar"):
        assert expand([pattern]) == (both, [])
    assert expand([f"{tmp_path}/00001.tar", f"{tmp_path}/*.tar"])[0] == both[::-1]


def test_urls_pass_through() -> None:
    assert expand(["https://example.org/{0..1}.tar"])[0] == [f"https://example.org/{i}.tar" for i in (0, 1)]


@pytest.mark.parametrize("bad", ["pipe:cat x.tar", "file:///x.tar", "s3://bucket/x.tar", "gopher://x"])
def test_other_schemes_are_refused_by_name(bad: str, tmp_path: Path) -> None:
    good = write_shard(tmp_path / "a.tar", ["x"])
    shards, refused = expand([bad, str(good)])
    assert shards == [str(good)]
    assert [(name, error.reason) for name, error in refused] == [(bad, "forbidden_url")]


def test_a_pattern_without_a_match_is_an_error_unless_followed(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no shard matches"):
        expand([f"{tmp_path}/*.tar"])
    assert expand([f"{tmp_path}/*.tar"], follow=True) == ([], [])


def test_http_shard_is_read(served: str, tmp_path: Path) -> None:
    write_shard(tmp_path / "a.tar", ["x", "y"])
    options = HttpOptions(private_hosts=("127.0.0.1",))
    assert [s.key for s in read_samples(f"{served}/a.tar", 1, options)] == ["y"]


def test_size_and_time_tell_whether_a_shard_has_changed(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "a.tar", ["x"])
    found = path.stat()
    assert local_stamp(str(path)) == (found.st_size, found.st_mtime_ns)
    assert local_stamp("http://example.org/a.tar") == local_stamp(str(tmp_path / "none")) == (0, 0)
