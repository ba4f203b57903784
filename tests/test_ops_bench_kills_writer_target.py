"""SIGKILL at every named step of the writer: twice in a row and during recovery; afterwards nothing shows of it."""

from __future__ import annotations

import shutil
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from ops.bench.kills.campaign import AT_RANDOM, END, Progress, run_campaign, section
from ops.bench.kills.stream import write_stream
from ops.bench.kills.trial import Acknowledged, Trial, Work, missing, run_trial, wrong
from ops.bench.kills.writer_target import WriterTarget
from ops.errors import StateError
from ops.faults import Fault, Plan, fired
from ops.fsck import check_state, compare_states
from tests.editor import Editor

SEED = 12


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return write_stream(tmp_path_factory.mktemp("stream"), shards=3, per_shard=40)


@pytest.fixture(scope="module")
def whole(shards: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of an uninterrupted run, in which everything happens that can be interrupted."""
    state = tmp_path_factory.mktemp("whole") / "state"
    assert run_trial(Work(state, shards, 6)) == Trial(0, 0, [])
    report = check_state(state)
    empty = {name for name, count in report.records.items() if not count}
    assert report.findings == [] and empty == {"late"}, report.records  # a writer that ends has applied all changes
    editor = Editor(state)
    editor.where("lineage", kind="split")
    editor.where("clusters", quarantined=True)
    editor.where("shapes", outcome="published", version=2)
    editor.where("changes", kind="handed_back")
    for reason in ("broken_image", "no_image", "duplicate_key", "truncated_tar", "forbidden_url"):
        editor.where("rejects", reason=reason)
    editor.close()
    return state


@pytest.mark.parametrize("point", WriterTarget.points)
def test_killed_twice_at_a_step_and_again_during_recovery(
    whole: Path, shards: list[str], tmp_path: Path, point: str
) -> None:
    work = Work(tmp_path / "state", shards, 6)
    log = str(tmp_path / "fired")
    nth = 1 if point.startswith(("open.", "reject.", "settle.")) else 2
    plan = Plan(log, (Fault(point, nth=nth, times=2),))
    for _ in range(2):
        assert run_trial(work, plan) == Trial(-signal.SIGKILL, 1, [])
    recovery = Plan(log, (Fault("open.restored"),))
    (tmp_path / "fired").rename(tmp_path / "fired twice")
    assert run_trial(work, recovery) == Trial(-signal.SIGKILL, 1, [])
    assert [one.point for one in [*fired(tmp_path / "fired twice"), *fired(log)]] == [point, point, "open.restored"]
    assert run_trial(work) == Trial(0, 0, [])
    assert compare_states(whole, work.state, shapes=True) == []


def test_a_dozen_random_kills_leave_no_trace(tmp_path: Path) -> None:
    said: list[str] = []
    target = WriterTarget(tmp_path, shards=3, per_shard=60)
    progress = run_campaign(target, tmp_path / "progress.json", 12, SEED, said.append)
    sys.stdout.write("\n".join(said))
    assert f"seed {SEED}" in said[0]
    assert progress.kills == 12 and len(progress.fired) > 5 and progress.passes >= 1
    assert progress.losses == {}
    assert run_campaign(target, tmp_path / "progress.json", 12, SEED, said.append) == progress
    with pytest.raises(StateError, match=f"seed {SEED}"):
        run_campaign(target, tmp_path / "progress.json", 12, SEED + 1, said.append)
    found = section(target, progress, "the command")
    assert {row.where.split("`")[1] for row in found.rows if "`" in row.where} == {
        point for point, times in progress.fired.items() if times and point != AT_RANDOM
    }
    assert all(point in progress.fired or f"`{point}`" in found.facts[-1] for point in target.points)
    assert found.fired == 12


def test_a_kill_at_a_random_moment_counts_only_if_it_came_in_time(shards: list[str], tmp_path: Path) -> None:
    work = Work(tmp_path / "state", shards, 6)
    assert run_trial(work, kill_after_s=0.0) == Trial(-signal.SIGKILL, 1, [])
    assert run_trial(work, kill_after_s=500.0) == Trial(0, 0, [])


def test_an_error_that_ends_the_writer_is_not_taken_for_a_kill(shards: list[str], tmp_path: Path) -> None:
    plan = Plan(str(tmp_path / "fired"), (Fault("cluster.after", "memory_error", nth=3),))
    trial = run_trial(Work(tmp_path / "state", shards, 6), plan)
    assert trial.exit_code == 1 and trial.fired == 1 and trial.losses == []


class Careless:
    """A target that loses something when it is killed."""

    title, same_shapes, facts = "careless", True, ()
    points = ("commit.after",)

    def __init__(self, whole: Path, folder: Path) -> None:
        self.reference, self.state = whole, folder / "state"

    def prepare(self) -> Trial:
        return Trial(0, 0, [])

    def kill(self, random: np.random.Generator) -> tuple[str, Trial]:
        shutil.copytree(self.reference, self.state, dirs_exist_ok=True)
        editor = Editor(self.state)
        editor.set("masks", editor.keys("masks")[random.integers(20)], None)
        editor.close()
        return "commit.after", Trial(-9, 1, wrong(self.state))

    def finish(self) -> Trial:
        editor = Editor(self.state)
        micro = editor.where("micros", cluster=1)
        editor.change("micros", micro, cluster=2)
        editor.close()
        return Trial(3, 0, [])


def test_losses_are_seen(whole: Path, tmp_path: Path) -> None:
    target = Careless(whole, tmp_path)
    progress = run_campaign(target, tmp_path / "progress.json", 1, SEED, str)
    assert ["has no entry in masks" in loss for loss in progress.losses["commit.after"]] == [True]
    assert progress.losses[END][0] == "it ended with code 3"
    assert any("cluster" in loss for loss in progress.losses[END])
    table = section(target, progress, "the command")
    assert table.losses == progress.lost > 2 and table.fired == 1
    assert AT_RANDOM in {row.where for row in table.rows}


def test_a_run_that_ends_by_itself_with_an_error_is_a_loss(tmp_path: Path) -> None:
    progress = Progress(SEED)
    progress.record("commit.after", Trial(1, 0, ["gone"]))
    assert progress.lost == 1 and progress.kills == 0


def test_what_was_acknowledged_and_is_gone_is_counted() -> None:
    assert missing(Acknowledged(10, 2, 1), Acknowledged(10, 2, 1)) == []
    assert missing(Acknowledged(10, 2, 3), Acknowledged(8, 2, 1)) == [
        "2 acknowledged images are missing",
        "2 acknowledged reconstructions are missing",
    ]
