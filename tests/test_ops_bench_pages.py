from __future__ import annotations

from pathlib import Path

import pytest

from index.browse import Filter
from index.library import open_library
from ops.bench import pages
from ops.fsck.derived import check_lists
from ops.fsck.raw import RawState


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    pages.build(folder, 500)
    return folder


def test_the_library_that_is_made_up_is_as_the_writer_would_leave_it(state: Path) -> None:
    with RawState(state) as raw:
        assert list(check_lists(raw)) == []
    library = open_library(state)
    assert library.status().shapes == 500
    assert 0 < len(library.shapes(chosen=Filter(tag="chair"), limit=1000).items) < 500
    assert library.shapes(chosen=Filter(source="/crawl/00007.tar"), limit=1000).items
    library.close()


def test_every_list_is_measured_beside_a_scan() -> None:
    told: list[str] = []
    report = pages.run(200, 3, 10, told.append)
    names = [measure.name for measure in report.measures]
    assert len(names) == 2 * len(pages.QUERIES) + 1 and names[-1] == "worst p99, ms"
    assert all(measure.value > 0 for measure in report.measures)
    assert all("full scan" in measure.baselines for measure in report.measures[:-1])
    assert len(told) > len(pages.QUERIES)
