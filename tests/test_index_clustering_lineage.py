"""Ids carried from one partition to the next."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from index.clustering.base import LineageEvent
from index.clustering.lineage import carry_ids
from index.records import OUTLIER


def carry(
    old: list[int], groups: list[int], min_size: int = 2, next_id: int = 10
) -> tuple[list[int], list[LineageEvent], int]:
    ones = np.ones(len(old), np.int64)
    labels, events, following = carry_ids(np.array(old), np.array(groups), ones, min_size, next_id)
    return labels.tolist(), events, following


def test_growth_keeps_the_id() -> None:
    assert carry([4, 4, -1, -1], [0, 0, 0, 1]) == ([4, 4, 4, OUTLIER], [], 10)


def test_new_group_of_outliers_is_created() -> None:
    assert carry([-1, -1], [0, 0]) == ([10, 10], [LineageEvent("created", 10)], 11)


def test_a_group_mostly_of_outliers_is_created_though_it_took_one_from_a_cluster() -> None:
    assert carry([4, 4, 4, -1, -1], [0, 0, 1, 1, 1])[1] == [LineageEvent("created", 10)]


def test_split_leaves_the_id_with_the_larger_part() -> None:
    labels, events, following = carry([4] * 5, [0, 0, 1, 1, 1])
    assert labels == [10, 10, 4, 4, 4] and following == 11
    assert events == [LineageEvent("split", 10, (4,))]


def test_merge_keeps_the_larger_and_on_a_tie_the_older() -> None:
    labels, events, _ = carry([7, 7, 3, 3, 5, 5, 5, 6, 6], [0, 0, 0, 0, 1, 1, 1, 1, 1])
    assert labels == [3] * 4 + [5] * 5
    assert events == [LineageEvent("merged", 3, (7,)), LineageEvent("merged", 5, (6,))]


def test_cluster_that_falls_apart_is_dissolved() -> None:
    assert carry([4, 4], [0, 1]) == ([-1, -1], [LineageEvent("dissolved", 4)], 10)


def test_weights_decide_size_and_overlap() -> None:
    weights = np.array([5, 1, 1])
    labels, _, _ = carry_ids(np.array([2, 2, 2]), np.array([0, 1, 1]), weights, 3, 10)
    assert labels.tolist() == [2, -1, -1]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(-1, 5), st.integers(0, 5)), min_size=1, max_size=40))
def test_groups_stay_whole_and_every_old_cluster_is_accounted_for(items: list[tuple[int, int]]) -> None:
    old, groups = [a for a, _ in items], [b for _, b in items]
    labels, events, following = carry(old, groups, next_id=6)
    for group in set(groups):
        members = {label for label, g in zip(labels, groups, strict=True) if g == group}
        assert len(members) == 1
        assert (members == {OUTLIER}) == (groups.count(group) < 2)
    named = [label for label in dict(zip(groups, labels, strict=True)).values() if label != OUTLIER]
    assert len(named) == len(set(named)) and all(label < following for label in named)
    lost = set(old) - {OUTLIER} - set(labels)
    told = {e.cluster for e in events if e.kind == "dissolved"} | {
        o for e in events if e.kind == "merged" for o in e.others
    }
    assert lost == told
    assert set(named) - set(old) == {e.cluster for e in events if e.kind in ("created", "split")}
