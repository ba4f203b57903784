"""A stream into the parts of a library, interrupted anywhere: every object ends in one part, once."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.ingest import Ingest
from index.layout import part_folder
from index.parting import Settled, joint_records, part_batch
from index.records import ShardRecord
from index.routing import Routing, learn_routing
from index.stream.batch import Batch
from ops.errors import RejectError
from ops.fsck import check_library
from ops.fsck.raw import RawState
from tests.batches import DIM, batch, open_ingest, sample

PARTS = 3
SHARD = "/a.tar"


def routing_of(seed: int = 0, noise: float = 0.0) -> Routing:
    """Parts of what `tests.batches` draws; with noise, borders as another device may see them."""
    drawn = [sample(i, i).views[0].descriptor for i in range(200)]
    found = learn_routing(np.stack(drawn), PARTS, "f" * 8)
    moved = found.centroids + noise * np.random.default_rng(seed).normal(size=found.centroids.shape)
    moved /= np.linalg.norm(moved, axis=1, keepdims=True)
    return replace(found, centroids=moved.astype(np.float32))


ROUTING = routing_of()


def batches() -> list[Batch]:
    """Photos of one to three objects, refusals in between, and damage at the end."""
    samples = [sample(i, 7 * i, objects=1 + i % 3) for i in range(36)]
    samples[5] = sample(5, reject=RejectError("too_small", "1 x 1 pixels"))
    samples[20] = replace(samples[20], views=())
    samples[35] = sample(35, reject=RejectError("truncated_tar", "it ends in the middle of a member"))
    return [batch(SHARD, samples[start : start + 6], last=start == 30) for start in range(0, 36, 6)]


def opened(folder: Path) -> list[Ingest]:
    return [open_ingest(part_folder(folder, part)) for part in range(PARTS)]


def feed(folder: Path, routing: Routing, fail_at: tuple[int, int] | None = None) -> None:
    """Goes on where the parts are; ends before a part commits its share of a batch, as if killed then."""
    parts = opened(folder)
    try:
        records = joint_records([part.shards() for part in parts])
        start = next((record.cursor for record in records if record.url == SHARD), 0)
        for number, one in enumerate(batches()):
            if one.header.end <= start:
                continue
            known = [part.settled(SHARD, 0, one.header.start) for part in parts]
            for part, share in enumerate(part_batch(one, routing, known)):
                if fail_at == (number, part):
                    return
                parts[part].commit(share)
    finally:
        for part in parts:
            part.close()


def held(folder: Path) -> Counter[tuple[str, int]]:
    """How many objects of each position there are, and how often each is refused."""
    found: Counter[tuple[str, int]] = Counter()
    for part in range(PARTS):
        with RawState(part_folder(folder, part)) as state:
            found.update(("stored", record["index"]) for _, record in state.records("samples"))
            found.update(("refused", record.get("index", -1)) for _, record in state.records("rejects"))
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    ROUTING.save(folder)
    feed(folder, ROUTING)
    return folder


def test_every_object_is_in_one_part_and_every_part_is_a_library(whole: Path) -> None:
    found = held(whole)
    for position in range(35):
        refused = position in (5, 20)
        assert found["stored", position] == (0 if refused else 1 + position % 3)
        assert found["refused", position] == int(refused)
    assert found["refused", -1] == PARTS, "damage is what each part's cursor waits at"
    report = check_library(whole)
    assert report.clean, report.errors
    assert report.records["samples"] == sum(times for (kind, _), times in found.items() if kind == "stored")


@settings(deadline=None, max_examples=12)
@given(
    deaths=st.lists(st.tuples(st.integers(0, 5), st.integers(0, PARTS - 1)), min_size=1, max_size=4),
    seed=st.integers(0, 9),
)
def test_it_may_die_between_any_two_parts_and_borders_may_move(
    whole: Path, tmp_path_factory: pytest.TempPathFactory, deaths: list[tuple[int, int]], seed: int
) -> None:
    folder = tmp_path_factory.mktemp("broken")
    ROUTING.save(folder)
    for attempt, death in enumerate(sorted(deaths)):
        feed(folder, routing_of(seed + attempt, noise=0.2), death)
    feed(folder, routing_of(seed + 100, noise=0.2))
    assert held(folder) == held(whole)
    assert not [f for f in check_library(folder).errors if f.check != "routing"]


def test_without_a_death_the_same_routing_gives_the_same_parts(whole: Path, tmp_path: Path) -> None:
    ROUTING.save(tmp_path)
    for number in range(6):
        feed(tmp_path, ROUTING, (number, 1))
    feed(tmp_path, ROUTING)
    assert held(tmp_path) == held(whole)
    assert check_library(tmp_path).clean


def test_an_object_that_a_part_has_taken_stays_and_the_others_go_where_they_still_can() -> None:
    near = Routing(np.eye(DIM, dtype=np.float32)[:2], np.array([0, 1]), "f" * 8)
    one = sample(4, 0, objects=2)
    views = tuple(
        replace(view, descriptor=np.eye(DIM, dtype=np.float32)[0]) for view in one.views
    )  # both belong to part 0
    pair = batch(SHARD, [replace(one, views=views)])
    fresh = part_batch(pair, near)
    assert [[len(s.views) for s in share.samples] for share in fresh] == [[2], []]
    # Part 0 has passed the position and took one of them then: the other was part 1's, and still is.
    again = part_batch(pair, near, [Settled(5, {4: 1}), Settled(0)])
    assert [[len(s.views) for s in share.samples] for share in again] == [[1], [1]]
    # Part 1 has passed it with both.
    other = part_batch(pair, near, [Settled(0), Settled(5, {4: 2})])
    assert [[len(s.views) for s in share.samples] for share in other] == [[], [2]]


def test_vectors_that_none_can_place_reach_one_part_that_refuses_them() -> None:
    broken = sample(7, 0)
    view = replace(broken.views[0], descriptor=np.full(DIM, np.nan, np.float32))
    shares = part_batch(batch(SHARD, [replace(broken, views=(view,))]), ROUTING)
    assert [len(share.samples) for share in shares] == [0, 1, 0]


def test_the_record_of_the_part_furthest_behind_counts() -> None:
    ahead = [ShardRecord("a", 40, True), ShardRecord("b", 7), ShardRecord("c", 9)]
    behind = [ShardRecord("a", 40), ShardRecord("b", 5)]
    assert joint_records([ahead, behind]) == [ShardRecord("a", 40), ShardRecord("b", 5)]
