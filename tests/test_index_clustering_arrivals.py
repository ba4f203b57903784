"""Vectors of a chunk find the same candidates as if they came one by one."""

from __future__ import annotations

import numpy as np
import pytest

from index.clustering.arrivals import Arrivals
from index.clustering.base import FloatArray, unit_rows
from index.clustering.cells import learn_cells
from index.clustering.joining import CellJoiner, FlatJoiner, Joiner, map_vectors
from index.clustering.micro import MicroTable
from index.clustering.online_linkage import OnlineLinkage
from index.clustering.space import Space, fit_space
from index.records import OUTLIER


def copies(seed: int, count: int) -> FloatArray:
    """Vectors of which many are nearly one of six others, so that they join, and move what they join."""
    random = np.random.default_rng(seed)
    originals = random.normal(size=(6, 48))
    noise = random.normal(size=(count, 48)) * random.choice([0.02, 0.3, 3.0], (count, 1))
    return unit_rows(originals[random.integers(0, 6, count)] + noise)


def learn(table: MicroTable, joiner: Joiner, space: Space | None, unit: FloatArray) -> list[list[int]]:
    """Learns a chunk as the clusterer does; the candidates of each vector."""
    arrivals = Arrivals(joiner, map_vectors(space, unit))
    found, micros = [], []
    for place, vector in enumerate(unit):
        found.append(sorted(arrivals.candidates(place)))
        micro = joiner.decide(vector, found[-1])
        if micro < 0:
            micro = table.open(vector, OUTLIER)
            arrivals.opened(place, micro)
        else:
            table.join(micro, vector)
            arrivals.joined(micro)
        micros.append(micro)
    joiner.refresh(micros)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_a_chunk_finds_what_single_vectors_find(seed: int) -> None:
    before, unit = copies(seed, 40), copies(seed + 100, 60)
    space = fit_space(before, np.ones(len(before), np.int64))
    tables = MicroTable(), MicroTable()
    joiners = []
    for table in tables:
        table.set_dim(48)
        for vector in before:
            table.open(vector, OUTLIER)
        joiners.append(FlatJoiner(table, space, 0.7))
    whole = learn(tables[0], joiners[0], space, unit)
    single = [learn(tables[1], joiners[1], space, vector[None])[0] for vector in unit]
    assert whole == single
    assert any(len(found) > 1 for found in whole) and any(not found for found in whole)
    assert (tables[0].counts == tables[1].counts).all()
    first, second = (table.sums(np.arange(len(table))) for table in tables)
    assert (first == second).all()


def test_in_cells_a_chunk_leaves_the_joiner_as_new_ones_would_be() -> None:
    before = copies(0, 60)
    space = fit_space(before, np.ones(len(before), np.int64))
    assert space is not None
    table = MicroTable()
    table.set_dim(48)
    for vector in before:
        table.open(vector, OUTLIER)
    cells = learn_cells(map_vectors(space, before).astype(np.float32), 8)
    joiner = CellJoiner(table, space, 0.9, cells)
    learn(table, joiner, space, copies(1, 80))
    again = CellJoiner(table, space, 0.9, cells)
    numbers = np.arange(len(table))
    for cell in range(len(cells)):
        inside = [np.sort(each.inside(np.array([cell]))) for each in (joiner, again)]
        assert np.array_equal(*inside)
    assert (joiner.rows(numbers) == again.rows(numbers)).all()
    assert len(table) > 60


def test_a_long_batch_is_learnt_as_short_ones_are() -> None:
    vectors = copies(7, 700)
    together, apart = OnlineLinkage(min_inserts=400), OnlineLinkage(min_inserts=400)
    whole = together.learn_many(vectors)
    parts = [apart.learn_many(vectors[begin : begin + 7]) for begin in range(0, len(vectors), 7)]
    assert whole.micros.tolist() == [micro for part in parts for micro in part.micros.tolist()]
    assert len(set(whole.micros.tolist())) < len(vectors)
