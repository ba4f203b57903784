from __future__ import annotations

from itertools import pairwise

import pytest

from ops.errors import ConfigError
from recon import ReconConfig


def test_each_effort_tries_harder_than_the_one_before() -> None:
    presets = [ReconConfig.preset(effort) for effort in ("draft", "quick", "full")]
    assert presets[1] == ReconConfig() and [preset.effort for preset in presets] == ["draft", "quick", "full"]
    for less, more in pairwise(presets):
        assert less.coarse.hypotheses < more.coarse.hypotheses and less.led_starts < more.led_starts
        assert less.joint.steps < more.joint.steps


def test_unknown_effort_is_refused() -> None:
    with pytest.raises(ConfigError, match="draft, quick, full"):
        ReconConfig.preset("heroic")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        {"feature_dims": 0},
        {"feature_dims": 1000},
        {"min_views": 2},
        {"min_views": 20, "max_views": 10},
        {"appearance_floor": 1.5},
        {"search_floor": -0.1},
        {"start_groups": 0},
        {"led_starts": -1},
        {"object_fov": 2.0},
        {"elevations": (30.0, 10.0)},
    ],
)
def test_values_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        ReconConfig(**wrong)  # type: ignore[arg-type]
