from __future__ import annotations

import pytest

from ops.errors import ConfigError
from recon import ReconConfig


def test_full_tries_harder_than_quick() -> None:
    quick, full = ReconConfig.preset("quick"), ReconConfig.preset("full")
    assert quick == ReconConfig()
    assert full.effort == "full"
    assert full.coarse.hypotheses > quick.coarse.hypotheses
    assert full.polish_rounds > quick.polish_rounds


def test_unknown_effort_is_refused() -> None:
    with pytest.raises(ConfigError, match="quick or full"):
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
        {"guessed_share": 1.2},
        {"object_fov": 2.0},
        {"elevations": (30.0, 10.0)},
    ],
)
def test_values_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        ReconConfig(**wrong)  # type: ignore[arg-type]
