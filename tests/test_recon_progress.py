from __future__ import annotations

from recon import Progress
from recon.progress import Reporter, portion


def test_stages_share_the_whole() -> None:
    seen: list[Progress] = []
    tick = Reporter(seen.append).span("coarse", 0.2, 0.6)
    tick(0.5)
    tick(1.0)
    assert [p.stage for p in seen] == ["coarse"] * 3
    assert [round(p.fraction, 6) for p in seen] == [0.2, 0.4, 0.6]


def test_a_part_of_the_work_has_stages_of_its_own() -> None:
    seen: list[Progress] = []
    Reporter(seen.append).part(0.2, 0.6).part(0.5, 1.0).span("fine", 0.0, 0.5)(1.0)
    assert [round(p.fraction, 6) for p in seen] == [0.4, 0.5]


def test_a_portion_of_a_stage_is_told_of_the_stage() -> None:
    seen: list[float] = []
    tick = portion(seen.append, 0.5, 0.7)
    tick(0.0)
    tick(1.0)
    portion(tick, 0.5, 1.0)(0.0)
    assert [round(fraction, 6) for fraction in seen] == [0.5, 0.7, 0.6]


def test_no_callback_is_fine() -> None:
    Reporter(None).span("coarse", 0.0, 1.0)(0.5)
