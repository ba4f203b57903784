"""The checker of a library in parts finds what no part can know by itself."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from index.layout import ROUTING as FILE
from index.layout import part_folder
from index.parting import part_batch
from ops.errors import StateError
from ops.fsck import check_library
from ops.fsck.parted import POSITIONS, ROUTING
from tests.batches import open_ingest, stream
from tests.editor import Editor
from tests.test_index_parting import PARTS
from tests.test_index_parting import ROUTING as routing


@pytest.fixture
def library(tmp_path: Path) -> Path:
    routing.save(tmp_path)
    parts = [open_ingest(part_folder(tmp_path, part)) for part in range(PARTS)]
    for one in stream("/a.tar", 24, 8):
        for part, share in zip(parts, part_batch(one, routing), strict=True):
            part.commit(share)
    for part in parts:
        part.close()
    return tmp_path


def errors(library: Path) -> dict[str, str]:
    return {finding.check: finding.what for finding in check_library(library).errors}


def test_a_whole_one_is_clean_and_every_check_looks_at_every_part(library: Path) -> None:
    told: list[str] = []
    report = check_library(library, told.append)
    assert report.clean and report.records["samples"] == 24
    assert {ROUTING, POSITIONS} <= set(report.checks)
    assert all(f"identity of part {part}" in told for part in range(PARTS))


def test_what_a_part_finds_is_told_with_its_number(library: Path) -> None:
    (part_folder(library, 1) / "vectors.faiss").write_bytes(b"torn")
    findings = check_library(library).findings
    assert findings and all(finding.what.startswith("part 1: ") for finding in findings)


def test_vectors_in_another_part_than_theirs_are_found(library: Path) -> None:
    replace(routing, owners=np.roll(routing.owners, 1)).save(library)
    assert "belongs to part" in errors(library)[ROUTING]


def test_a_position_that_is_in_no_part_is_found(library: Path) -> None:
    shutil.rmtree(part_folder(library, 0))
    part = open_ingest(part_folder(library, 0))
    for one in stream("/a.tar", 24, 8):
        part.commit(replace(one, samples=[], parted=True))
    part.close()
    found = errors(library)
    assert "positions are in no part" in found[POSITIONS]


def test_a_position_that_is_counted_as_elsewhere_and_is_here_is_found(library: Path) -> None:
    editor = Editor(part_folder(library, 0))
    (key,) = editor.keys("shards")
    editor.change("shards", key, elsewhere=24)
    editor.close()
    assert "counted as elsewhere and are here" in errors(library)["shards"]


def test_without_its_routing_or_a_part_it_says_so(library: Path) -> None:
    (library / "parts" / "2").rename(library / "moved")
    with pytest.raises(StateError, match=r"parts/2 is no Shapelode state directory"):
        check_library(library)
    (library / FILE).unlink()
    with pytest.raises(StateError, match="can't be read"):
        check_library(library)
