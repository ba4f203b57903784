"""Query by image, with a stand-in for the encoder."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread, get_ident
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from daemon.query import ImageQuery
from index.library import Library, open_library
from index.stream.decode import decode_image
from index.views import CROP_SIZE, ObjectView
from ops.errors import FingerprintError, RejectError
from tests.library_factory import FINGERPRINT, direction, make_library, png


class FakeBackbone:
    """Takes the red channel of an image for the number of the cluster it shows."""

    def __init__(self, fingerprint: str = FINGERPRINT) -> None:
        self.fingerprint = fingerprint

    def embed(self, images: Sequence[NDArray[np.uint8]]) -> list[ObjectView | RejectError]:
        return [self._view(image) for image in images]

    def _view(self, image: NDArray[np.uint8]) -> ObjectView | RejectError:
        number = int(image[0, 0, 0])
        if number > 7:
            return RejectError("no_foreground", "nothing stands out")
        crop = np.zeros((CROP_SIZE, CROP_SIZE, 3), np.uint8)
        mask = np.ones((CROP_SIZE, CROP_SIZE), bool)
        return ObjectView(direction(number), crop, mask, (0, 0, 1, 1), (64, 64), 0.5)


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return open_library(make_library(tmp_path))


def loading(backbone: FakeBackbone, calls: list[str]) -> Any:
    def load(name: str) -> Any:
        calls.append(name)
        return backbone

    return load


def test_the_nearest_cluster_comes_with_its_shape(library: Library) -> None:
    page = ImageQuery(library, decode_image, loading(FakeBackbone(), []))(png((1, 0, 0)))
    best = page.items[0]
    assert best.cluster == 1
    assert best.shape is not None
    assert (best.shape.id, best.shape.version) == (1, 2)
    assert page.next is None


def test_a_cluster_without_a_shape_is_still_a_match(library: Library) -> None:
    best = ImageQuery(library, decode_image, loading(FakeBackbone(), []))(png((3, 0, 0)), limit=1).items
    assert [(match.cluster, match.shape) for match in best] == [(3, None)]


def test_the_librarys_backbone_is_loaded_once(library: Library) -> None:
    calls: list[str] = []
    query = ImageQuery(library, decode_image, loading(FakeBackbone(), calls))
    threads = [Thread(target=query, args=(png((1, 0, 0)),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls == ["embedded"]


def test_another_backbone_is_refused(library: Library) -> None:
    query = ImageQuery(library, decode_image, loading(FakeBackbone("0ther"), []))
    with pytest.raises(FingerprintError, match=f"{FINGERPRINT}.*0ther"):
        query(png((1, 0, 0)))


def test_broken_images_are_refused_before_anything_is_loaded(library: Library) -> None:
    calls: list[str] = []
    with pytest.raises(RejectError, match="broken_image"):
        ImageQuery(library, decode_image, loading(FakeBackbone(), calls))(b"no image")
    assert calls == []


def test_an_image_without_an_object_is_refused(library: Library) -> None:
    with pytest.raises(RejectError, match="no_foreground"):
        ImageQuery(library, decode_image, loading(FakeBackbone(), []))(png((200, 0, 0)))


def test_the_backbone_always_runs_in_the_same_thread(library: Library) -> None:
    seen: list[int] = []

    class Watched(FakeBackbone):
        def embed(self, images: Sequence[NDArray[np.uint8]]) -> list[ObjectView | RejectError]:
            seen.append(get_ident())
            return super().embed(images)

    def load(name: str) -> Any:
        seen.append(get_ident())
        return Watched()

    query = ImageQuery(library, decode_image, load)
    with ThreadPoolExecutor(3) as askers:
        assert all(askers.map(lambda _: query(png((1, 0, 0))), range(6)))
    assert len(seen) == 7 and len(set(seen)) == 1
