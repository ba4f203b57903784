"""Who shares a micro-cluster."""

from __future__ import annotations

import numpy as np

from index.clustering.base import unit_rows
from index.clustering.cells import learn_cells
from index.clustering.joining import SAME, CellJoiner, FlatJoiner, Joiner, map_rows, map_vectors
from index.clustering.micro import MicroTable
from index.clustering.space import fit_space
from index.records import OUTLIER


def table_of(vectors: np.ndarray) -> MicroTable:
    table = MicroTable()
    table.set_dim(vectors.shape[1])
    for vector in unit_rows(vectors):
        table.open(vector, OUTLIER)
    return table


def decide(joiner: Joiner, space: object, vector: np.ndarray) -> int:
    unit = unit_rows(vector[None])
    return joiner.decide(unit[0], joiner.propose(map_vectors(space, unit))[0].tolist())  # type: ignore[arg-type]


def test_without_a_space_only_the_same_picture_joins() -> None:
    joiner = FlatJoiner(table_of(np.eye(4)), None, 0.5)
    almost = np.array([1.0, 0.01, 0, 0])
    assert almost[0] / np.linalg.norm(almost) > SAME and decide(joiner, None, almost) == 0
    assert decide(joiner, None, np.array([1.0, 0.2, 0, 0])) == -1


def test_nearest_wins_and_the_older_on_a_tie() -> None:
    joiner = FlatJoiner(table_of(np.array([[1.0, 0.01], [1.0, 0.0], [1.0, 0.0]])), None, 0.9)
    assert decide(joiner, None, np.array([1.0, 0.0])) == 1


def test_in_a_space_both_whitened_and_centred_vectors_have_to_agree() -> None:
    random = np.random.default_rng(0)
    vectors = random.normal(size=(40, 200))
    space = fit_space(unit_rows(vectors), np.ones(len(vectors), np.int64))
    assert space is not None and space.projection.shape[1] == 10
    joiner = FlatJoiner(table_of(vectors), space, 0.9)
    assert decide(joiner, space, vectors[7] * 3 + 1e-3) == 7
    hidden = np.linalg.svd(space.projection.T)[2][-1]  # a direction that the ten dimensions don't see
    impostor = unit_rows(vectors)[7] + 2 * hidden
    assert (
        space.apply(unit_rows(impostor[None]) * np.linalg.norm(impostor))[0] @ space.apply(unit_rows(vectors)[7:8])[0]
        > 0.999
    )
    assert decide(joiner, space, impostor) == -1


def test_refresh_follows_the_table() -> None:
    table = table_of(np.eye(3))
    joiner = FlatJoiner(table, None, 0.9)
    new = unit_rows(np.array([[1.0, 1.0, 1.0]]))
    assert decide(joiner, None, new[0]) == -1
    joiner.refresh([table.open(new[0], OUTLIER)])
    assert decide(joiner, None, new[0]) == 3
    table.join(0, new[0] * 9)
    assert np.allclose(joiner.row_of(0), unit_rows(np.array([[1.0, 0.0, 0.0]]) + 9 * new)[0], atol=1e-6)
    joiner.refresh([0, 0])
    assert decide(joiner, None, joiner.row_of(0)) == 0


def test_with_few_cells_the_same_is_proposed_as_without() -> None:
    random = np.random.default_rng(3)
    originals = random.normal(size=(12, 96))
    vectors = unit_rows(originals[random.integers(0, 12, 300)] + random.normal(0, 0.25, (300, 96)))
    space = fit_space(vectors, np.ones(len(vectors), np.int64))
    assert space is not None
    table, mapped = table_of(vectors), map_vectors(space, vectors)
    cells = learn_cells(mapped.astype(np.float32), 5)
    found = [sorted(some.tolist()) for some in CellJoiner(table, space, 0.6, cells).propose(mapped)]
    assert found == [some.tolist() for some in FlatJoiner(table, space, 0.6).propose(mapped)]
    assert 1.5 < np.mean([len(some) for some in found]) < 60


def test_rows_that_are_kept_lie_in_other_cells_where_rows_made_anew_lie() -> None:
    vectors = np.random.default_rng(3).normal(size=(900, 24)) + 3 * np.eye(24)[np.arange(900) % 24]
    table, unit = table_of(vectors), unit_rows(vectors)
    space = fit_space(unit, np.ones(len(unit), np.int64))
    assert space is not None
    rows, micros = map_rows(space, unit), np.arange(len(unit))
    before = CellJoiner(table, space, 0.9, learn_cells(rows[::3], 20))
    cells = learn_cells(rows, 90)
    kept, fresh = (CellJoiner(table, space, 0.9, cells, before=one) for one in (before, None))
    assert np.array_equal(kept.cell_of(micros), fresh.cell_of(micros)) and len(np.unique(kept.cell_of(micros))) > 60
    assert np.array_equal(kept.rows(micros), fresh.rows(micros)) and np.array_equal(
        kept.rows(micros), before.rows(micros)
    )
    assert [decide(kept, space, vector) for vector in vectors[:50]] == list(range(50))
