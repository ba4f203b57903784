"""The page that is committed is what its sources build, and its types are the API's."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from daemon.api.app import PAGE
from daemon.atlas import LibraryMap, MapPoint
from daemon.compare import Comparison
from daemon.export import FORMATS
from daemon.health import PipelineState
from daemon.keypoints import Keypoints, KeypointSight
from daemon.query import QueryMatch
from daemon.registration import Registration
from daemon.sights import Sight
from daemon.similar import MESH_FORMATS, SimilarShape
from index import summaries
from index.changes import KINDS
from index.curation import EditReport

SOURCES = Path(__file__).parents[1] / "ops" / "page"
SUMMARIES = (
    "LibraryStatus", "ClusterSummary", "ShapeSummary", "ImageSummary", "PoseSummary", "CameraSummary",
    "RejectSummary", "LineageSummary", "ShardSummary", "ChangeSummary",
)  # fmt: skip
TYPES: tuple[Any, ...] = (
    *(getattr(summaries, name) for name in SUMMARIES), Comparison, Registration, QueryMatch, LibraryMap, MapPoint,
    PipelineState, SimilarShape, Sight, Keypoints, KeypointSight, EditReport,
)  # fmt: skip


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed, so the page can't be built")
@pytest.mark.skipif(not (SOURCES / "node_modules").exists(), reason="run `make page` to install what builds the page")
def test_the_committed_page_is_what_the_sources_build(tmp_path: Path) -> None:
    build = ["npm", "run", "--silent", "build"]
    done = subprocess.run(
        build, cwd=SOURCES, env={**os.environ, "PAGE_OUT": str(tmp_path)}, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    built, committed = content(tmp_path), content(PAGE)
    assert built.keys() == committed.keys(), "run `make page-build`"
    assert [name for name in built if built[name] != committed[name]] == [], "run `make page-build`"


def test_the_lock_file_pins_every_package_by_digest_and_names_no_place_to_get_it_from() -> None:
    lock = json.loads((SOURCES / "package-lock.json").read_text())
    packages = {name: found for name, found in lock["packages"].items() if name}
    assert len(packages) > 20
    assert all(found["integrity"].startswith("sha512-") and "resolved" not in found for found in packages.values())


@pytest.mark.parametrize("type_", TYPES, ids=lambda type_: type_.__name__)
def test_types_have_the_fields_of_the_schema(type_: Any) -> None:
    text = (SOURCES / "src" / "types.ts").read_text()
    body = re.search(rf"interface {type_.__name__} {{(.*?)\n}}", text, re.S)
    assert body is not None
    assert re.findall(r"^  (\w+):", body.group(1), re.M) == [field.name for field in fields(type_)]


def test_the_page_listens_to_every_kind_of_change() -> None:
    text = (SOURCES / "src" / "live.ts").read_text()
    body = re.search(r"KINDS = \[(.*?)\]", text, re.S)
    assert body is not None and re.findall(r'"(\w+)"', body.group(1)) == list(KINDS)


def test_the_page_takes_every_format_of_mesh() -> None:
    body = re.search(r"MESHES = \[(.*?)\]", (SOURCES / "src" / "search.ts").read_text())
    assert body is not None and re.findall(r'"(\w+)"', body.group(1)) == list(MESH_FORMATS)


def test_the_page_offers_every_format_of_export() -> None:
    body = re.search(
        r"FORMATS: \[string, string\]\[\] = \[(.*?)\n\];", (SOURCES / "src" / "shape.ts").read_text(), re.S
    )
    assert body is not None and set(re.findall(r'\["(\w+)"', body.group(1))) == set(FORMATS)


def test_the_licence_of_what_is_built_in_goes_with_it() -> None:
    assert "MIT" in (PAGE / "three.LICENSE.txt").read_text()
