from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from index.drift import Drift
from tests.batches import open_ingest, stream


def test_it_is_nothing_at_first_and_while_the_same_arrives() -> None:
    drift = Drift(np.zeros(4))
    assert drift.value() == 0
    drift.add([np.eye(4, dtype=np.float32)[0]])
    assert drift.value() == pytest.approx(0)
    drift.add([])
    assert drift.value() == pytest.approx(0)


def test_it_rises_when_something_else_arrives() -> None:
    old, new = np.eye(4, dtype=np.float32)[:2]
    drift = Drift(4000 * old.astype(np.float64))
    values = []
    for _ in range(3):
        drift.add([new] * 500)
        values.append(drift.value())
    assert values[0] > 0.8 and values == sorted(values, reverse=True)  # all it knows of late is new; then all does
    drift.add([old] * 20_000)
    assert drift.value() < 0.02


@pytest.mark.parametrize("clusterer", ["linkage", "dbstream"])
def test_the_sums_that_it_starts_with_are_those_of_the_stored_vectors(tmp_path: Path, clusterer: str) -> None:
    ingest = open_ingest(tmp_path, clusterer)
    vectors = [view.descriptor for one in stream("/a.tar", 48, 16) for s in one.samples for view in s.views]
    reports = [ingest.commit(one) for one in stream("/a.tar", 48, 16)]
    ingest.close()
    ingest = open_ingest(tmp_path, clusterer)
    np.testing.assert_allclose(ingest._drift._total, np.sum(vectors, axis=0), atol=0.05)
    ingest.close()
    assert 0 <= reports[-1].index_drift < 0.2
