"""Queries to a library in parts, with a stand-in for the encoder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from daemon import query as module
from daemon.cli.entry import run_command
from daemon.parted_query import PartedQuery
from index.layout import part_folder
from index.library import Library, open_library
from index.routing import Routing
from index.stream.decode import decode_image
from tests.library_factory import FINGERPRINT, direction, make_library, png
from tests.test_daemon_query import FakeBackbone, loading

ROUTING = Routing(np.stack([direction(1), direction(3), direction(5)]), np.array([0, 1, 2]), FINGERPRINT)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three parts, by misfortune with the same images: what tells them apart is which are asked."""
    for part in range(3):
        make_library(part_folder(tmp_path, part))
    ROUTING.save(tmp_path)
    return tmp_path


@pytest.fixture
def parts(folder: Path) -> Iterator[dict[int, Library]]:
    with ExitStack() as stack:
        yield {part: stack.enter_context(closing(open_library(part_folder(folder, part)))) for part in range(3)}


def test_the_parts_nearest_to_the_image_answer(parts: dict[int, Library]) -> None:
    calls: list[str] = []
    query = PartedQuery(parts, ROUTING, decode_image, loading(FakeBackbone(), calls))
    for red, nearest in ((1, 0), (3, 1)):
        page = query(png((red, 0, 0)), asked=1)
        assert {one.part for one in page.items} == {nearest} and page.items[0].match.cluster == red
    best = query(png((1, 0, 0)), limit=2).items
    assert [one.match.cluster for one in best] == [1, 1] and len({one.part for one in best}) == 2
    assert {one.part for one in query(png((1, 0, 0)), asked=3).items} == {0, 1, 2}
    assert calls == ["embedded"], "one backbone for all parts"


def test_what_is_registered_is_registered_in_its_part(
    parts: dict[int, Library], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Library] = []

    def register(library: Library, *rest: Any) -> Any:
        asked.append(library)
        return None

    monkeypatch.setattr(module, "register_view", register)
    query = PartedQuery(parts, ROUTING, decode_image, loading(FakeBackbone(), []))
    found = query(png((1, 0, 0)), register=1, asked=1).items
    assert asked == [parts[0]] and found[0].match.shape is not None


def test_parts_that_are_elsewhere_are_not_asked(parts: dict[int, Library]) -> None:
    here = {2: parts[2]}
    query = PartedQuery(here, ROUTING, decode_image, loading(FakeBackbone(), []))
    assert {one.part for one in query(png((1, 0, 0))).items} == {2}


def test_the_shell_asks_parts_and_adds_them_up(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "_load", lambda name: FakeBackbone())
    picture = tmp_path / "photo.png"
    picture.write_bytes(png((3, 0, 0)))
    assert run_command(["query", str(picture), "--state", str(folder), "--ask", "1"]) == 0
    told = capsys.readouterr().out
    assert "part" in told and "similarity" in told
    assert run_command(["status", "--state", str(folder), "--json"]) == 0
    with closing(open_library(part_folder(folder, 0))) as library:
        images = library.status().images
    assert f'"images": {3 * images}' in capsys.readouterr().out
    (folder / "parts").rename(folder / "elsewhere")
    assert run_command(["status", "--state", str(folder)]) == 1
    assert "none is on this machine" in capsys.readouterr().err
