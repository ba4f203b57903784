from __future__ import annotations

from collections import Counter

from ops.bench.soak.outcome import Outcome
from ops.bench.soak.samples import Slope


def outcome(*losses: str) -> Outcome:
    slope = Slope(per_hour=1.25, error=0.5, seconds=600.0, highest=300.0)
    return Outcome(list(losses), Counter({"miner killed": 3}), [("miner", "MiB", slope)], {"seed": 4, "minutes": 60})


def test_the_page_tells_faults_slopes_and_losses() -> None:
    text = outcome("image 3 is lost").section("python -m ops.bench soak").markdown()
    assert "| miner killed | the running daemon | 3 | 0 |" in text and "| **all** | | **3** | **1** |" in text
    assert "* miner: +1.2 ± 0.5 MiB an hour, at most 300, seen for 10 min." in text
    assert "seed 4; minutes 60." in text


def test_the_figures_tell_the_same() -> None:
    report = outcome().report()
    assert [measure.value for measure in report.measures] == [0, 1.25]
    assert report.facts == {"seed": 4, "minutes": 60, "miner killed": 3}
