from __future__ import annotations

import numpy as np
import pytest

from ops.bench.geometry import SurfaceScore
from ops.bench.shapes import Judgement
from ops.bench.trials import Trial, measures_of

SCORE = SurfaceScore(0.1, 0.5)


def trial(errors: list[float], certainty: list[float] | None, losses: list[float]) -> Trial:
    judged = Judgement("chair", len(errors), SCORE, SCORE, SCORE, np.array(errors), np.array(errors))
    sure = None if certainty is None else np.array(certainty)
    return Trial("chair", "shapelode", False, "shape", 1.0, 0.5, judged, certainty=sure, losses=np.array(losses))


def test_certainty_is_held_against_the_errors_of_all_cameras_and_beside_their_losses() -> None:
    trials = [
        trial([5, 100, 10], [0.9, 0.2, 0.8], [0.1, 0.2, 0.3]),
        trial([170, 20], [0.4, 0.7], [0.5, 0.25]),
        trial([90, 90], None, [0.1, 0.1]),
    ]
    found = {measure.name: measure for measure in measures_of(trials)}
    share = found["share of cameras that should be right"]
    assert share.value == pytest.approx(3.0 / 5) and share.baselines == {"right": pytest.approx(3 / 5)}
    known = found["certainty tells right cameras: area under ROC"]
    assert known.value == 1.0
    assert known.baselines == {"a camera's loss": pytest.approx(4 / 6), "chance": 0.5}


def test_nothing_is_said_where_nothing_was_told_or_all_cameras_are_right() -> None:
    names = [measure.name for measure in measures_of([trial([5, 100], None, [0.1, 0.2])])]
    assert not any("certainty" in name or "should be" in name for name in names)
    names = [measure.name for measure in measures_of([trial([5, 9], [0.9, 0.8], [0.1, 0.2])])]
    assert "share of cameras that should be right" in names
    assert not any("area under" in name for name in names)
