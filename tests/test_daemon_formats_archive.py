from __future__ import annotations

import io
import zipfile
from pathlib import Path

import msgspec
import pytest
from fastapi.testclient import TestClient

from daemon.api.app import create_app
from daemon.export import FORMATS, MEDIA_TYPES, export
from daemon.formats.archive import zipped
from daemon.query import ImageQuery
from index.jobs import KEYPOINTS
from index.library import open_library
from index.store import Store
from index.stream.decode import decode_image
from index.tables import ARTIFACTS
from ops.errors import NotFoundError
from tests.library_factory import make_library
from tests.scenes import make_scene_library
from tests.test_daemon_keypoints import RECORD


def test_an_archive_is_its_contents(tmp_path: Path) -> None:
    files = [("a/b.txt", b"text" * 99), ("c.png", b"pixels")]
    assert zipped(iter(files)) == zipped(iter(files))
    archive = zipfile.ZipFile(io.BytesIO(zipped(iter(files))))
    assert [(name, archive.read(name)) for name in archive.namelist()] == files


def test_masks_come_with_their_images(tmp_path: Path) -> None:
    library = open_library(make_scene_library(tmp_path))
    names = zipfile.ZipFile(io.BytesIO(export(library, 1, None, "masks"))).namelist()
    library.close()
    assert sorted(names) == sorted(f"{kind}/{n:09d}.{end}" for n in range(5) for kind, end in _KINDS)


_KINDS = (("images", "jpg"), ("masks", "png"))


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_served_twice_the_same(tmp_path: Path, kind: str) -> None:
    store = Store(make_scene_library(tmp_path), readonly=False, map_size_gib=0.1)
    with store.write() as txn:
        txn.put(ARTIFACTS, (1, 2, KEYPOINTS), msgspec.json.encode(RECORD))
    store.close()
    library = open_library(tmp_path)
    client = TestClient(create_app(library, ImageQuery(library, decode_image)))
    first = client.get(f"/v1/shapes/1/export?format={kind}")
    assert (first.status_code, first.headers["content-type"]) == (200, MEDIA_TYPES[kind])  # type: ignore[index]
    assert client.get(f"/v1/shapes/1/export?format={kind}").content == first.content
    library.close()


def test_a_shape_without_cameras_has_no_scene(tmp_path: Path) -> None:
    library = open_library(make_library(tmp_path))
    with pytest.raises(NotFoundError, match="no shape yet"):
        export(library, 3, None, "colmap")
    library.close()
