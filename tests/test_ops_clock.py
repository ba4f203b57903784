"""A clock that is set back an hour and forward a year changes when things were, and nothing else."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from index.ingest import Ingest
from index.jobs import ReconInput
from index.library import open_library
from index.schedule import Policy
from ops import clock
from ops.clock import set_clock, wall_time
from ops.faults import Fault, Plan, arm, fired
from ops.fsck import check_state, compare_states
from tests.batches import open_ingest, stream
from tests.states import shape_of

ROOT = Path(__file__).parents[1]
HOUR, YEAR = 3600.0, 365 * 86400.0
POLICY = Policy(min_views=4, growth=1.5, max_failures=5, max_images=32, backoff_s=10.0)
_WALL = {("time", "time"), ("time", "time_ns"), ("datetime", "now"), ("datetime", "utcnow"), ("date", "today")}


@pytest.fixture(autouse=True)
def right_clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(clock, "_shift", 0.0)
    yield
    arm(None)


def wall_clock_reads(source: str) -> list[int]:
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)]
    return sorted(n.lineno for n in calls if isinstance(n.value, ast.Name) and (n.value.id, n.attr) in _WALL)


def test_only_one_module_reads_the_wall_clock() -> None:
    assert wall_clock_reads("import time\nprint(time.time())\nfrom datetime import datetime\ndatetime.now()") == [2, 4]
    readers = {
        str(path.relative_to(ROOT))
        for package in ("daemon", "actors", "index", "recon", "ops")
        for path in (ROOT / package).rglob("*.py")
        if wall_clock_reads(path.read_text())
    }
    assert readers == {"ops/clock.py"}


def mine(folder: Path) -> None:
    """A stream with reconstructions and a restart half-way."""
    for part in (stream("a", 96, 8)[:6], stream("a", 96, 8)[6:]):
        ingest = open_ingest(folder)
        for one in part:
            ingest.commit(one)
            reconstruct(ingest)
        ingest.close()


def reconstruct(ingest: Ingest) -> None:
    for job in ingest.due(POLICY).jobs:
        given: ReconInput = ingest.recon_input(job, POLICY)
        ingest.publish(shape_of(given))


def test_jumps_in_mid_stream_change_nothing_but_times(tmp_path: Path) -> None:
    mine(tmp_path / "whole")
    jumps = (
        Fault("commit.before", "clock", nth=2, seconds=YEAR),
        Fault("commit.during", "clock", nth=4, seconds=-YEAR - HOUR),
        Fault("publish.before", "clock", nth=1, seconds=-HOUR, times=50),
        Fault("commit.after", "clock", nth=7, seconds=YEAR),
        Fault("open.after", "clock", seconds=-HOUR, times=2),
    )
    arm(Plan(str(tmp_path / "fired"), jumps))
    mine(tmp_path / "jumped")
    assert {one.fault for one in fired(tmp_path / "fired")} == set(range(len(jumps)))
    assert check_state(tmp_path / "jumped").errors == []
    assert compare_states(tmp_path / "whole", tmp_path / "jumped") == []
    library = open_library(tmp_path / "jumped")
    times = [image.time for image in library.images(limit=1000).items]
    assert times != sorted(times) and max(times) - min(times) > YEAR
    versions = [shape.version for cluster in library.shapes().items for shape in library.versions(cluster.id)]
    assert versions
    library.close()
    whole = open_library(tmp_path / "whole")
    assert versions == [shape.version for cluster in whole.shapes().items for shape in whole.versions(cluster.id)]
    whole.close()


@pytest.mark.parametrize("jump", [-HOUR, YEAR])
def test_a_failed_reconstruction_is_tried_again_no_later_than_meant(tmp_path: Path, jump: float) -> None:
    ingest = open_ingest(tmp_path)
    for one in stream("a", 32, 8):
        ingest.commit(one)
    job, *_ = ingest.due(POLICY).jobs
    ingest.fail(job, "broke", POLICY)
    waiting = ingest.due(POLICY)
    assert job.cluster not in [other.cluster for other in waiting.jobs]
    assert waiting.retry_in_s is not None and 0 < waiting.retry_in_s <= POLICY.backoff_s
    set_clock(jump)
    after = ingest.due(POLICY)
    assert job.cluster in [other.cluster for other in after.jobs]
    ingest.close()


def test_a_clock_set_back_a_little_holds_nothing_up_for_longer_than_the_pause(tmp_path: Path) -> None:
    ingest = open_ingest(tmp_path)
    for one in stream("a", 32, 8):
        ingest.commit(one)
    job, *_ = ingest.due(POLICY).jobs
    ingest.fail(job, "broke", POLICY)
    for _ in range(20):
        set_clock(-1.0)
        found = ingest.due(POLICY)
        assert found.retry_in_s is None or found.retry_in_s <= POLICY.backoff_s
    assert wall_time() > 0
    ingest.close()
