from __future__ import annotations

import numpy as np
import pytest

from ops.bench.geometry import SurfaceScore
from ops.bench.grow import Growth, measures_of
from ops.bench.shapes import Judgement


def judged(fscore: float, error: float = 10.0) -> Judgement:
    score = SurfaceScore(0.1, fscore)
    return Judgement("chair", 40, score, score, score, np.full(4, error), np.full(4, 90.0))


def test_only_those_that_reach_the_cold_start_count_for_its_time() -> None:
    grown = [
        Growth("a", 25.0, 100.0, 10.0, 20.0, True, judged(0.5), judged(0.8), judged(0.81), judged(0.3)),
        Growth("b", 25.0, 100.0, 30.0, 20.0, False, judged(0.5), judged(0.8), judged(0.9), judged(0.7)),
        Growth("c", 25.0, 50.0, 10.0, 0.0, True, judged(0.5), None, judged(0.6), judged(0.6)),
        Growth("d", 25.0, 50.0, 10.0, 20.0, False, judged(0.5), judged(0.8), judged(0.6), judged(0.9)),
    ]
    found = {measure.name: measure for measure in measures_of(grown)}
    assert found["clusters that reach the cold start's F-score"].value == pytest.approx(3 / 4)
    assert found["their seconds over the cold start's"].value == pytest.approx((0.1 + 0.2 + 0.4) / 3)
    assert found["seconds for twice the images"].baselines["cold start"] == pytest.approx(75)
    assert found["seconds for twice the images"].value == pytest.approx(15)
    assert found["seconds where a shape is continued"].value == pytest.approx(15)
    assert found["seconds with a search from nothing"].value == pytest.approx(15)
    assert found["seconds of the first half's shape"].value == pytest.approx(25)
    assert found["F-score at 0.05"].value == pytest.approx((0.81 + 0.7 + 0.9) / 3)
    others = {
        "cold start": 0.8, "all continued": (0.81 + 0.9 + 0.6) / 3, "all searched": (0.3 + 0.7 + 0.9) / 3,
        "before it doubled": 0.5,
    }  # fmt: skip
    assert found["F-score at 0.05"].baselines == pytest.approx(others)
    assert measures_of([]) == []
