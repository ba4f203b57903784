from __future__ import annotations

from pathlib import Path

import pytest

from index.layout import ROUTING, check_count, is_parted, part_folder, parts_here, require_state
from index.library import open_library
from ops.errors import StateError
from tests.batches import open_ingest


def test_a_library_in_one_piece_stays_so(tmp_path: Path) -> None:
    open_ingest(tmp_path).close()
    require_state(tmp_path)
    check_count(tmp_path, 1)
    assert not is_parted(tmp_path) and parts_here(tmp_path) == {}
    with pytest.raises(StateError, match=r"in one piece; parts.count has to be 1"):
        check_count(tmp_path, 4)


def test_a_library_in_parts_stays_so_and_its_parts_are_libraries(tmp_path: Path) -> None:
    for part in (0, 2, 10):
        open_ingest(part_folder(tmp_path, part)).close()
    (tmp_path / "parts" / "notes").mkdir()
    (tmp_path / "parts" / "7").mkdir()
    assert list(parts_here(tmp_path).items()) == [(part, part_folder(tmp_path, part)) for part in (0, 2, 10)]
    check_count(tmp_path, 4)
    with pytest.raises(StateError, match=r"in parts; set parts.count"):
        check_count(tmp_path, 1)
    with pytest.raises(StateError, match=r"in parts; name one of them, such as .*parts/0"):
        open_library(tmp_path)
    open_library(part_folder(tmp_path, 2)).close()


def test_nothing_may_become_either(tmp_path: Path) -> None:
    for parts in (1, 3):
        check_count(tmp_path, parts)
    with pytest.raises(StateError, match="no Shapelode state directory"):
        require_state(tmp_path)
    (tmp_path / ROUTING).touch()
    assert is_parted(tmp_path)
