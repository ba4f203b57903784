from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from recon import Progress, ProgressCallback, Reconstruction, cold, reconstruct
from recon.checkpoint import Checkpoint
from recon.config import JointStage, Realignment, Stage
from recon.volume import Hypotheses
from tests.recon_scene import SMALL, make_scene

TRIFLE = JointStage(20, 24, 3000, 4)
TINY = replace(
    SMALL, coarse=Stage(3, 2, 2, 12, 2, 12, 16, 8), medium=Stage(2, 1, 2, 12, 2, 12, 16),
    fine=Stage(2, 1, 2, 24, 3, 16, 16), trial=TRIFLE, joint=TRIFLE,
    realign=Realignment(1, TRIFLE, azimuths=24, elevations=3, resolution=16), min_score=0.0,
)  # fmt: skip
VIEWS = make_scene(16).views


class Interrupted(Exception):
    pass


def until(stage: str) -> ProgressCallback:
    def stop(progress: Progress) -> None:
        if progress.stage == stage:
            raise Interrupted

    return stop


def same(first: Reconstruction, second: Reconstruction) -> bool:
    return first.to_bytes() == second.to_bytes()


def test_an_interrupted_search_goes_on_where_it_was_to_the_same_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = reconstruct(VIEWS, TINY)
    assert whole.shape is not None
    for stage, kept in (("contest", 1), ("settle", 2), ("joint", 3)):
        with pytest.raises(Interrupted):
            reconstruct(VIEWS, TINY, progress=until(stage), checkpoints=tmp_path)
        (file,) = tmp_path.iterdir()
        steps = {name.split(".")[0] for name in Checkpoint(file)._kept}
        assert len(steps) == kept, steps

    def again(*arguments: object) -> None:
        raise AssertionError("what was done is done again")

    monkeypatch.setattr(cold, "run_stage", again)
    monkeypatch.setattr(cold, "realign", again)
    assert same(reconstruct(VIEWS, TINY, checkpoints=tmp_path), whole)
    assert list(tmp_path.iterdir()) == []


def test_a_step_may_hand_on_what_the_one_before_it_found(tmp_path: Path) -> None:
    file, generator = tmp_path / "kept.safetensors", torch.Generator()
    found = Hypotheses(torch.ones(1, 4, 3), torch.zeros(1, 4, 3), torch.ones(1, 4), torch.ones(1, 4))
    first = Checkpoint(file)
    handed = first.step("settle", generator, lambda: first.step("contest", generator, lambda: found))
    assert handed is found
    kept = Checkpoint(file)
    for name in ("contest", "settle"):
        again = kept.step(name, generator, lambda: pytest.fail("what was done is done again"))
        assert torch.equal(again.angles, found.angles) and torch.equal(again.score, found.score)


def test_other_views_or_another_seed_begin_anew(tmp_path: Path) -> None:
    names = set()
    for views, seed in ((VIEWS, 0), (VIEWS, 1), (make_scene(16, seed=1).views, 0)):
        with pytest.raises(Interrupted):
            reconstruct(views, TINY, seed=seed, progress=until("contest"), checkpoints=tmp_path)
        names = {path.name for path in tmp_path.iterdir()}
    assert len(names) == 3


def hypotheses(value: float) -> Hypotheses:
    return Hypotheses(torch.full((1, 4, 3), value), torch.zeros(1, 4, 3), torch.ones(1, 4), torch.ones(1, 4))


def test_a_damaged_file_is_told_of_and_replaced(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file, generator = tmp_path / "x.safetensors", torch.Generator().manual_seed(0)
    file.write_bytes(b"\x10" + bytes(30))
    with caplog.at_level(logging.WARNING):
        checkpoint = Checkpoint(file)
    assert "cannot be read" in caplog.text
    assert float(checkpoint.step("a", generator, lambda: hypotheses(2.0)).angles.mean()) == 2
    assert float(Checkpoint(file).step("a", generator, lambda: hypotheses(3.0)).angles.mean()) == 2


def test_the_generator_goes_on_as_if_the_step_had_been_done(tmp_path: Path) -> None:
    def work(generator: torch.Generator) -> Hypotheses:
        return hypotheses(float(torch.rand((), generator=generator)))

    drawn = []
    for _ in range(2):
        generator = torch.Generator().manual_seed(5)
        Checkpoint(tmp_path / "x.safetensors").step("a", generator, lambda: work(generator))  # noqa: B023
        drawn.append(torch.rand(3, generator=generator).tolist())
    assert drawn[0] == drawn[1] and not np.allclose(drawn[0], torch.rand(3, generator=torch.Generator().manual_seed(5)))


def test_files_of_jobs_that_never_came_back_do_not_pile_up(tmp_path: Path) -> None:
    for number in range(40):
        (tmp_path / f"{number}.safetensors").write_bytes(b"")
    with pytest.raises(Interrupted):
        reconstruct(VIEWS, TINY, progress=until("contest"), checkpoints=tmp_path)
    assert len(list(tmp_path.iterdir())) == 16
